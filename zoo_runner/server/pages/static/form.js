// The form of a process: checked while it is filled in, by the checks of the server; files are sent from it, boxes are drawn
// on a map. Without scripts the same fields are filled in by hand.
const PAUSE_MS = 500;
const form = document.querySelector("form[data-check]");
const visited = new Set();
let timer;
let asked = new AbortController();

form.addEventListener("change", ({ target }) => {
  const field = target.closest(".field");
  if (!field || target.type === "file") return;
  visited.add(field.id);
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE_MS);
});

async function check() {
  const sent = new URLSearchParams(new FormData(form));
  // an answer about what has been changed since is of no use
  asked.abort();
  asked = new AbortController();
  try {
    // inputs alone: what engines and sources say is asked for by the button
    const headers = { Accept: "text/html", "Zoo-Runner-Check": "inputs" };
    const answer = await fetch(form.dataset.check, { method: "POST", body: sent, headers, signal: asked.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // what was filled in since then is checked next
    for (const id of visited) showProblems(document.getElementById(id), page.getElementById(id));
    form.dataset.state = "checked";
  } catch { /* the server is away: it says so once the form is sent */ }
}

function showProblems(field, checked) {
  if (!checked) return;
  field.classList.toggle("wrong", checked.classList.contains("wrong"));
  field.querySelector(".problem")?.remove();
  const problem = checked.querySelector(".problem");
  if (problem) field.append(document.importNode(problem, true));
  const [input, judged] = [field, checked].map((one) => one.querySelector("input:not([type=file]), select, textarea"));
  for (const name of ["aria-invalid", "aria-describedby"]) {
    if (judged.hasAttribute(name)) input.setAttribute(name, judged.getAttribute(name));
    else input.removeAttribute(name);
  }
}

function fillIn(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

for (const choice of document.querySelectorAll("[data-send-to]")) {
  choice.closest(".extra").hidden = false;
  choice.addEventListener("change", () => send(choice));
}

async function send(choice) {
  const said = choice.closest(".extra").querySelector("output");
  const body = new FormData();
  for (const file of choice.files) body.append("file", file);
  said.textContent = "Sending …";
  try {
    const answer = await fetch(choice.dataset.files, { method: "POST", body, headers: { Accept: "application/json" } });
    const document_ = await answer.json();
    if (!answer.ok) throw new Error(document_.detail ?? document_.title);
    const addresses = document_.files.map((file) => file.href);
    const input = document.getElementById(choice.dataset.sendTo);
    const isList = input.tagName === "TEXTAREA";
    fillIn(input, isList ? [input.value.trim(), ...addresses].filter(Boolean).join("\n") : addresses[0]);
    said.textContent = `Sent: ${[...choice.files].map((file) => file.name).join(", ")}`;
  } catch (error) {
    said.textContent = `Not sent: ${error.message}`;
  }
}

for (const reader of document.querySelectorAll("input[data-read-into]")) {
  reader.closest(".field").hidden = false;
  reader.addEventListener("change", async () => {
    document.getElementById(reader.dataset.readInto).value = await reader.files[0].text();
  });
}

for (const button of document.querySelectorAll("button[data-download]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById(button.dataset.download).textContent], { type: "application/json" }));
    link.download = button.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
