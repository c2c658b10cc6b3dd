// A telephone and its carrier in a page: the webhook, the media messages, marks that come back when they were played.
import { byId, clock, element } from "./page.js";

const RATE_HZ = 8000, FRAME = 160;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
let call = null;

class Call {
  constructor(number) {
    this.id = `BR${crypto.randomUUID().replaceAll("-", "")}`;
    this.stream = `MZ${crypto.randomUUID().replaceAll("-", "")}`;
    this.number = number;
    this.sequence = 1;
    this.chunk = 0;
    this.muted = false;
    this.over = false;
    this.began = performance.now();
  }

  async start() {
    // The microphone first: whoever is asked for leave must not find the agent half-way through its greeting.
    this.microphone = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: false, autoGainControl: true, channelCount: 1 },
    });
    this.audio = new AudioContext({ latencyHint: "interactive" });
    await this.audio.audioWorklet.addModule("/calls/static/phone-worklet.js");
    this.line = new AudioWorkletNode(this.audio, "telephone-line", { outputChannelCount: [1] });
    this.line.port.onmessage = ({ data }) => this.fromLine(data);
    this.audio.createMediaStreamSource(this.microphone).connect(this.line).connect(this.audio.destination);
    await this.audio.resume();
    await this.obey(await this.post("voice"));
  }

  async post(route) {
    const answer = await fetch(`/browser/${route}`, {
      method: "POST", body: new URLSearchParams({ call_id: this.id, from: "browser", to: this.number }),
    });
    if (answer.status === 204) return { do: "hang_up" };
    if (!answer.ok) throw new Error(`the service answers ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
    return answer.json();
  }

  async obey(document) {
    switch (document.do) {
      case "stream": return this.open(document);
      case "ask": return this.obey(await this.post("after-stream"));
      case "busy": return this.end(document.text || "The line is busy.");
      case "say": return this.end(document.text);
      case "forward": return this.end(`The caller would now be transferred to ${document.target}.`);
      default: return this.end("The call is over.");
    }
  }

  open(document) {
    const path = new URL(document.url).pathname;
    this.socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${path}`);
    this.socket.onopen = () => {
      this.send({ event: "connected", protocol: "Call", version: "1.0.0" });
      const mediaFormat = { encoding: "audio/x-mulaw", sampleRate: RATE_HZ, channels: 1 };
      const start = { accountSid: "console", callSid: this.id, streamSid: this.stream, tracks: ["inbound"], mediaFormat,
        customParameters: document.parameters };
      this.send({ event: "start", sequenceNumber: String(this.sequence++), streamSid: this.stream, start });
      this.started = true;
      say("Connected.");
    };
    this.socket.onmessage = ({ data }) => this.fromService(JSON.parse(data));
    this.socket.onclose = async () => {
      if (this.over) return;
      this.started = false;
      try { await this.obey(await this.post("after-stream")); } catch (error) { this.end(error.message); }
    };
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  fromService(message) {
    if (message.event === "media") {
      const ulaw = Uint8Array.from(atob(message.media.payload), (one) => one.charCodeAt(0));
      this.line.port.postMessage({ audio: ulaw });
    } else if (message.event === "mark") {
      this.line.port.postMessage({ mark: message.mark.name });
    } else if (message.event === "clear") {
      this.line.port.postMessage({ clear: true });
    }
  }

  fromLine(told) {
    if (told.frame && this.started) {
      const timestamp = String(this.chunk * 20);
      const payload = btoa(String.fromCharCode(...(this.muted ? new Uint8Array(FRAME).fill(0xff) : told.frame)));
      this.send({ event: "media", sequenceNumber: String(this.sequence++), streamSid: this.stream,
        media: { track: "inbound", chunk: String(++this.chunk), timestamp, payload } });
    }
    if (told.played) this.send({ event: "mark", sequenceNumber: String(this.sequence++), streamSid: this.stream, mark: { name: told.played } });
    if (told.levels) {
      byId("you").value = this.muted ? -60 : told.levels[0];
      byId("agent").value = told.levels[1];
    }
  }

  press(digit) {
    this.send({ event: "dtmf", sequenceNumber: String(this.sequence++), streamSid: this.stream, dtmf: { track: "inbound_track", digit } });
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    this.send({ event: "stop", sequenceNumber: String(this.sequence++), streamSid: this.stream, stop: { accountSid: "console", callSid: this.id } });
    this.socket?.close(1000);
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    // What has arrived is still heard, as on a telephone.
    this.line?.port.postMessage({ last: true });
    setTimeout(() => this.audio?.close(), 1500);
    say(why);
    if (call === this) { call = null; show(); }
  }
}

function say(text) { byId("state").textContent = text; }

function show() {
  byId("dial").disabled = call !== null;
  byId("hang_up").disabled = byId("mute").disabled = call === null;
  byId("number").disabled = call !== null;
  for (const key of byId("keys").children) key.disabled = call === null;
  byId("mute").setAttribute("aria-pressed", "false");
}

byId("dial").onclick = async () => {
  if (!navigator.mediaDevices) return say("A page may use the microphone on https or localhost only.");
  const mine = call = new Call(byId("number").value.trim());
  show();
  say("Ringing ...");
  try {
    await mine.start();
  } catch (error) {
    mine.end(error.name === "NotAllowedError" ? "The browser does not let this page use the microphone." : error.message);
  }
};
byId("hang_up").onclick = () => call?.end("You have hung up.");
byId("mute").onclick = () => {
  if (!call) return;
  call.muted = !call.muted;
  byId("mute").setAttribute("aria-pressed", String(call.muted));
};
byId("keys").append(...KEYS.map((key) => {
  const made = element("button", { class: "go", type: "button" }, key);
  made.onclick = () => call?.press(key);
  return made;
}));
addEventListener("keydown", (event) => {
  if (event.target.tagName !== "INPUT" && KEYS.includes(event.key)) call?.press(event.key);
});
addEventListener("pagehide", () => call?.end("The page was closed."));
setInterval(() => { byId("clock").textContent = call ? clock((performance.now() - call.began) / 1000) : "\u00a0"; }, 250);
show();
