// What the pages share: elements, times and the way to the service.
export const byId = (id) => document.getElementById(id);

export function element(name, about = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...inside.filter((one) => one !== null && one !== undefined));
  return made;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body), headers: { "X-Bridge-Console": "1", "Content-Type": "application/json" },
  };
  const answer = await fetch(path, options);
  if (answer.status === 401) location.reload();
  const told = await answer.json().catch(() => ({ error: `the service answers ${answer.status}` }));
  if (!answer.ok) throw new Error(told.error ?? `the service answers ${answer.status}`);
  return told;
}

export const reasons = (why) => Object.entries(why ?? {}).map(([name, value]) => `${name} ${value}`).join(", ");

byId("logout")?.addEventListener("click", async () => {
  await fetch("/calls/logout", { method: "POST" });
  location.reload();
});
