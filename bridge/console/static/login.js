// Logs in, then shows the page that was asked for.
const form = document.getElementById("login");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/calls/login", { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (answer.ok) return location.reload();
  const told = await answer.json().catch(() => ({}));
  document.getElementById("wrong").textContent = told.error ?? `the service answers ${answer.status}`;
});
