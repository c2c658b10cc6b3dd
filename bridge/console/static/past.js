// Past calls: a search over their records, one of them as a conversation, and its sound.
import { ask, byId, clock, element } from "./page.js";

function trouble(call) {
  const found = [];
  if (call.failures) found.push(`${call.failures} failed`);
  if (call.underruns) found.push(`${call.underruns} gaps`);
  if (call.interruptions) found.push(`${call.interruptions} interruptions`);
  return found.join(", ");
}

async function search() {
  const query = new URLSearchParams(new FormData(byId("search")));
  try {
    const calls = await ask(`/calls/past?${query}`);
    byId("none").hidden = calls.length > 0;
    byId("none").textContent = query.get("text") || query.get("slower_than_ms")
      ? "No such call is on record." : "No calls are on record. telemetry.record_directory says where records go.";
    byId("past").replaceChildren(...calls.map(row));
  } catch (error) {
    byId("none").hidden = false;
    byId("none").textContent = error.message;
  }
}

function row(call) {
  const made = element("tr", { tabindex: "0" },
    element("td", {}, new Date(call.ended_at * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" })),
    element("td", {}, call.from_number || "withheld", element("div", { class: "faint" }, call.carrier)),
    element("td", { class: "wide" }, call.to_number),
    element("td", {}, clock(call.seconds)),
    element("td", {}, call.outcome),
    element("td", {}, call.worst_reply_ms ? `${call.worst_reply_ms} ms` : ""),
    element("td", { class: "wide" }, trouble(call)),
    element("td", {}, call.recorded ? "yes" : ""));
  made.onclick = () => show(call, made);
  made.onkeydown = (event) => { if (event.key === "Enter") show(call, made); };
  return made;
}

async function show(call, made) {
  for (const other of byId("past").children) other.className = other === made ? "chosen" : "";
  byId("record").hidden = false;
  byId("record-title").textContent = `${call.from_number || "withheld"} called ${call.to_number} (${call.call_id})`;
  byId("sound").hidden = !call.recorded;
  if (call.recorded) byId("sound").src = `/calls/past/${encodeURIComponent(call.name)}/sound`;
  const place = byId("transcript");
  place.replaceChildren(element("p", { class: "faint" }, "Reading the record ..."));
  try {
    const lines = await ask(`/calls/past/${encodeURIComponent(call.name)}`);
    place.replaceChildren(...lines.map((line) => turn(line, call)));
    decisions();
  } catch (error) {
    place.replaceChildren(element("p", { class: "bad" }, error.message));
  }
  byId("record").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function turn(line) {
  const at = element("small", {}, clock(line.at));
  if (line.speaker === "call") {
    const end = /^(hung up|transferred|the stream ended|the record is damaged)/.test(line.text);
    return element("div", { class: end ? "happened" : "happened why" }, at, ` ${line.text}`);
  }
  const made = element("div", { class: `turn ${line.speaker}` }, at, line.text, line.cut ? " —" : "",
    line.unheard ? element("s", { title: "not heard" }, ` ${line.unheard}`) : null);
  made.onclick = () => { const sound = byId("sound"); if (!sound.hidden) { sound.currentTime = line.at; sound.play(); } };
  return made;
}

function decisions() {
  for (const one of byId("transcript").querySelectorAll(".why")) one.hidden = !byId("why").checked;
}

byId("why").onchange = decisions;
byId("search").onsubmit = (event) => { event.preventDefault(); search(); };
search();
setInterval(() => { if (byId("record").hidden && !document.hidden) search(); }, 10000);
