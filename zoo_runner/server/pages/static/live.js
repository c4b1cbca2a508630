// Keeps the page of a job up to date. Events of the job say that there is something new; the server renders it, and the
// parts that changed are replaced. What a person reads or has opened stays where it is.
const LEAST_PAUSE_MS = 700;
const EVENTS = ["status", "log", "StageStarted", "StepStarted", "StepEnded", "StepReused", "EngineLine", "Transferred", "Published"];
const shown = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));
const { events, log: logName } = document.getElementById("events").dataset;
const source = new EventSource(events);
const here = new URL(location.href);
// the log that is read stays, whichever one a new visit would open
if (logName) here.searchParams.set("log", logName);
let isWaiting = false;
let isStale = false;

for (const name of EVENTS) source.addEventListener(name, refreshSoon);

function refreshSoon() {
  isStale = true;
  if (!isWaiting) refresh();
}

async function refresh() {
  isWaiting = true;
  isStale = false;
  const begun = performance.now();
  try {
    const answer = await fetch(here, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.ok) update(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* the server is away: the source of events connects again, and reports what is new */ }
  // a page that takes long is asked for less often
  setTimeout(() => { isWaiting = false; if (isStale) refresh(); }, Math.max(LEAST_PAUSE_MS, 4 * (performance.now() - begun)));
}

function update(page) {
  for (const [id, before] of shown) {
    const part = document.getElementById(id);
    const now = page.getElementById(id)?.innerHTML ?? "";
    if (now === before) continue;
    shown.set(id, now);
    replace(part, now);
  }
  appendLines(document.querySelector("[data-lines]"), page.querySelector("[data-lines]"));
  if (!page.getElementById("events")) source.close();
}

function replace(part, html) {
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const focused = part.contains(document.activeElement) ? [...part.querySelectorAll("a, button")].indexOf(document.activeElement) : -1;
  part.innerHTML = html;
  part.querySelectorAll(".scroll").forEach((one, number) => { one.scrollLeft = scrolled[number] ?? 0; });
  if (focused >= 0) part.querySelectorAll("a, button")[focused]?.focus();
}

function appendLines(log, news) {
  if (!log || !news) return;
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  const end = log.lastElementChild;
  const last = Number(end.previousElementSibling?.dataset.place ?? -1);
  const fresh = [...news.querySelectorAll("[data-place]")];
  if (last < 0) log.replaceChildren(end);
  // the last line may have grown
  if (last >= 0 && fresh.some((line) => Number(line.dataset.place) === last)) end.previousElementSibling.remove();
  for (const line of fresh) if (Number(line.dataset.place) >= last) log.insertBefore(line, end);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
