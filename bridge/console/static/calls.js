// Calls in progress, and one of them followed: its levels, words, decisions and sound.
import { ask, byId, clock, element, reasons } from "./page.js";

const SHOWN_S = 30;
const RATE_HZ = 8000;
let socket = null;
let followed = null;
let listening = false;
let blocks = [];
let audio = null;
let playsAt = 0;

function connect() {
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/calls/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { byId("state").textContent = "live"; follow(); };
  socket.onclose = () => { byId("state").textContent = "connection lost: trying again"; setTimeout(connect, 2000); };
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") return block(JSON.parse(new TextDecoder().decode(data)));
    const told = JSON.parse(data);
    if (told.calls) list(told.calls);
    if (told.allowances) allowances(told.allowances);
  };
}

function follow() {
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ key: followed ?? "", do: "follow", sound: listening }));
}

function floor(call) {
  if (call.caller === "speaking" || call.caller === "paused") return element("span", { class: "pill caller" }, `caller ${call.caller}`);
  if (call.bot === "idle") return element("span", { class: "pill none" }, "nobody");
  return element("span", { class: "pill bot" }, `bot ${call.bot}`);
}

function trouble(call) {
  const found = [];
  if (call.failures) found.push(`${call.failures} failed`);
  if (call.underruns) found.push(`${call.underruns} gaps`);
  return found.length ? element("span", { class: "bad" }, found.join(", ")) : element("span", { class: "faint" }, "none");
}

function list(calls) {
  byId("count").textContent = calls.length ? `(${calls.length})` : "";
  byId("nobody").hidden = calls.length > 0;
  byId("live").replaceChildren(...calls.map((call) => {
    const words = call.bot === "speaking" ? call.last_bot : call.last_caller || call.last_bot;
    const row = element("tr", { tabindex: "0", class: call.key === followed ? "chosen" : "" },
      element("td", {}, call.from_number || "withheld", element("div", { class: "faint" }, call.carrier)),
      element("td", { class: "wide" }, call.to_number),
      element("td", {}, clock(call.seconds)),
      element("td", {}, floor(call)),
      element("td", { class: "wide" }, words.slice(-90)),
      element("td", {}, call.last_reply_ms ? `${call.last_reply_ms} ms` : ""),
      element("td", { class: "wide" }, `${call.lead_ms} ms`),
      element("td", {}, trouble(call)));
    row.onclick = () => choose(call);
    row.onkeydown = (event) => { if (event.key === "Enter") choose(call); };
    return row;
  }));
}

function allowances(limits) {
  byId("limits").hidden = !limits.length;
  byId("allowances").replaceChildren(...limits.map((limit) => element("li", {},
    `${limit.name}: `,
    element("span", { class: limit.share >= 1 ? "bad" : "" }, `${Math.floor(limit.share * 100)} %`),
    ` of what one ${limit.of} may use in ${limit.per === "day" ? "a day" : "an hour"}`,
    limit.refused ? element("span", { class: "bad" }, `, ${limit.refused} refused`) : "")));
}

function choose(call) {
  followed = call.key;
  blocks = [];
  setListening(false);
  byId("call").hidden = false;
  byId("title").textContent = `${call.from_number || "withheld"} calls ${call.to_number} (${call.call_id})`;
  byId("talk").replaceChildren();
  byId("happened").replaceChildren();
  byId("refused").textContent = "";
  follow();
  byId("call").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function note(text) {
  byId("happened").prepend(element("div", { class: "happened" }, element("b", {}, text)));
}

function block(told) {
  if (told.key !== followed) return;
  blocks.push(told);
  while (blocks.length && blocks[0].at < told.at - SHOWN_S) blocks.shift();
  if (told.lines) {
    const talk = byId("talk");
    const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
    talk.replaceChildren(...told.lines.map((line) => element("div", { class: `turn ${line.speaker}` },
      element("small", {}, line.speaker), line.text, line.interrupted ? " —" : "")));
    if (atEnd) talk.scrollTop = talk.scrollHeight;
  }
  for (const one of told.told) {
    byId("happened").prepend(element("div", { class: "happened" },
      element("span", { class: "faint" }, `${one.at.toFixed(2)} `), element("b", {}, one.what), ` ${reasons(one.why)}`));
  }
  while (byId("happened").childElementCount > 300) byId("happened").lastChild.remove();
  if (told.caller) play(told);
  if (told.over) note("The call is over.");
  draw();
}

function draw() {
  const canvas = byId("timeline");
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => { pen.fillStyle = style.getPropertyValue(name); probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const caller = colour("--caller"), bot = colour("--bot"), faint = colour("--faint");
  const last = blocks.at(-1)?.at ?? 0;
  const place = (at) => width - (last - at) / SHOWN_S * width;
  const size = (db) => Math.max(0, (db + 60) / 60) * (height / 2 - 14);
  const step = width / SHOWN_S * 0.2;
  for (const one of blocks) {
    const x = place(one.at);
    pen.fillStyle = caller;
    pen.fillRect(x - step, height / 2 - 1 - size(one.caller_db), Math.max(step - 0.5, 1), size(one.caller_db));
    pen.fillStyle = bot;
    pen.fillRect(x - step, height / 2 + 1, Math.max(step - 0.5, 1), size(one.ours_db));
    pen.fillStyle = faint;
    pen.font = "11px system-ui";
    for (const what of one.told.filter((it) => MARKED.has(it.what))) {
      pen.fillRect(place(what.at), 12, 1, height - 12);
      pen.fillText(what.what, Math.min(place(what.at) + 3, width - 70), 10);
    }
  }
}

const MARKED = new Set(["interrupted", "turn over", "false alarm", "key pressed", "agent failed", "underrun", "transfer", "hang up"]);
const probe = element("span", { hidden: "" });
document.body.append(probe);

// G.711 mu-law to linear samples (ITU-T G.711, table 2).
const LINEAR = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const size = (((bits & 0x0f) << 3) + 0x84 << ((bits & 0x70) >> 4)) - 0x84;
  return (bits & 0x80 ? -size : size) / 32768;
});

function play(told) {
  if (!audio || !listening) return;
  const tracks = [told.caller, told.ours].map((text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)));
  const buffer = audio.createBuffer(2, tracks[0].length, RATE_HZ);
  tracks.forEach((track, channel) => buffer.getChannelData(channel).set(track.map ? Float32Array.from(track, (code) => LINEAR[code]) : []));
  const source = audio.createBufferSource();
  source.buffer = buffer;
  source.connect(audio.destination);
  if (playsAt < audio.currentTime + 0.05) playsAt = audio.currentTime + 0.4;
  source.start(playsAt);
  playsAt += buffer.duration;
}

function setListening(on) {
  listening = on;
  byId("listen").setAttribute("aria-pressed", String(on));
  byId("listen").textContent = on ? "Listening (stop)" : "Listen in";
}

byId("listen").onclick = () => {
  audio ??= new AudioContext();
  audio.resume();
  setListening(!listening);
  follow();
};

async function order(wanted) {
  byId("refused").textContent = "";
  try {
    await ask("/calls/order", { key: followed, ...wanted });
    note(wanted.do === "transfer" ? `You asked to transfer to ${wanted.target}.` : "You asked to hang up.");
  } catch (error) {
    byId("refused").textContent = error.message;
  }
}

byId("hang_up").onclick = () => { if (confirm("End this call? The caller hears a goodbye.")) order({ do: "hang_up" }); };
byId("transfer").onsubmit = (event) => {
  event.preventDefault();
  order({ do: "transfer", target: new FormData(event.target).get("target").trim() });
};

connect();
