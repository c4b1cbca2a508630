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
  if ("change" in target.dataset) return change(target.closest("fieldset").querySelector("button[name='[show]']"));
  visited.add(field.id);
  for (let group = field.parentElement.closest(".group"); group; group = group.parentElement.closest(".group")) visited.add(group.id);
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE_MS);
});

// an item is added or removed, a type chosen: the server says what fields there are then, and only those are replaced
form.addEventListener("click", (event) => {
  const button = event.target.closest("button[name^='[']");
  if (!button) return;
  event.preventDefault();
  change(button);
});

async function change(button) {
  const group = button.closest("[data-group]");
  const [name, place] = [button.name, button.value];
  form.dataset.state = "changing";
  try {
    const body = new URLSearchParams([...new FormData(form), [name, place]]);
    const answer = await fetch(button.formAction, { method: "POST", body, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const changed = page.getElementById(group.id);
    if (!answer.ok || !changed) throw new Error(page.querySelector(".cause")?.textContent ?? answer.statusText);
    const fresh = document.importNode(changed, true);
    group.replaceWith(fresh);
    prepare(fresh);
    focusAfter(fresh, name, place);
  } catch (error) {
    tell(group, `Not changed: ${error.message}`);
  }
  form.dataset.state = "changed";
}

// what was added is where a person goes on; what was removed leaves the button that adds, or the choice that was made
function focusAfter(group, name, place) {
  const list = name === "[remove]" ? place.slice(0, place.lastIndexOf("/")) : place;
  const asking = group.querySelector(`button[name="${name === "[show]" ? "[show]" : "[add]"}"][value="${CSS.escape(list)}"]`);
  const around = asking?.closest("fieldset");
  const item = name === "[add]" ? [...around.querySelectorAll(":scope > .item")].at(-1) : null;
  const target = item ?? (name === "[show]" ? around : null);
  (target?.querySelector("input:not([type=hidden], [type=file]), select, textarea") ?? asking)?.focus();
}

function tell(group, text) {
  group.querySelector(":scope > .problem")?.remove();
  const said = document.createElement("p");
  said.className = "problem";
  said.setAttribute("role", "alert");
  said.textContent = text;
  group.append(said);
}

// fields that came later: files are sent from them, and boxes drawn
function prepare(part) {
  for (const button of part.querySelectorAll("button[name='[show]']")) button.hidden = true;
  for (const choice of part.querySelectorAll("[data-send-to]")) {
    choice.closest(".extra").hidden = false;
    choice.addEventListener("change", () => send(choice));
  }
  part.dispatchEvent(new CustomEvent("fields", { bubbles: true }));
}

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
  const own = (one) => one.querySelector(":scope > .problem");
  own(field)?.remove();
  const problem = own(checked);
  if (problem) field.append(document.importNode(problem, true));
  const isGroup = field.matches(".group");
  const [input, judged] = [field, checked].map((one) => (isGroup ? one : one.querySelector("input:not([type=file]), select, textarea")));
  for (const name of ["aria-invalid", "aria-describedby"]) {
    if (judged.hasAttribute(name)) input.setAttribute(name, judged.getAttribute(name));
    else input.removeAttribute(name);
  }
}

function fillIn(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

prepare(form);
form.addEventListener("fresh", ({ target }) => prepare(target));

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
