// Named presets of a form. They lie in this browser, by the address of the process; nobody else sees them.
const box = document.querySelector("[data-presets]");
const form = document.querySelector("form[data-check]");
const [choice, name, said] = [box.querySelector("select"), box.querySelector("input"), box.querySelector("output")];
const key = `presets ${box.dataset.presets}`;

function read() {
  // storage may be switched off, or have what another release has kept
  try { return Object.entries(JSON.parse(localStorage.getItem(key)) ?? {}).filter(([, kept]) => Array.isArray(kept)); } catch { return []; }
}

function write(presets, text) {
  try {
    localStorage.setItem(key, JSON.stringify(Object.fromEntries(presets)));
    said.textContent = text;
  } catch { said.textContent = "Not kept: this browser lets pages keep nothing."; }
  show();
}

function show() {
  const presets = read();
  choice.replaceChildren(...presets.map(([one]) => new Option(one)));
  choice.disabled = presets.length === 0;
  for (const button of box.querySelectorAll("[data-do=use], [data-do=remove]")) button.disabled = presets.length === 0;
}

const actions = {
  keep() {
    const title = name.value.trim();
    if (!title) { said.textContent = "Give the preset a name."; name.focus(); return; }
    const filled = [...new FormData(form)].filter(([, value]) => typeof value === "string");
    write([...read().filter(([one]) => one !== title), [title, filled]], `Kept: ${title}`);
    choice.value = title;
  },
  async use() {
    const kept = read().find(([one]) => one === choice.value)?.[1] ?? [];
    const filled = new Map(kept);
    for (const field of form.elements) {
      if (!field.name || field.closest("[data-group]") || field.type === "submit") continue;
      field.value = filled.get(field.name) ?? "";
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    // groups have the fields that what was kept needs
    if (form.querySelector("[data-group]") && !(await build(kept))) return;
    said.textContent = `Filled in: ${choice.value}`;
  },
  remove() { write(read().filter(([one]) => one !== choice.value), `Removed: ${choice.value}`); },
};

async function build(kept) {
  try {
    const body = new URLSearchParams([...kept, ["[show]", ""]]);
    const answer = await fetch(box.dataset.form, { method: "POST", body, headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const group of form.querySelectorAll("[data-group]")) {
      const built = page.getElementById(group.id);
      if (!built) continue;
      const fresh = document.importNode(built, true);
      group.replaceWith(fresh);
      fresh.dispatchEvent(new CustomEvent("fresh", { bubbles: true }));
    }
    return true;
  } catch (error) {
    said.textContent = `Not filled in: ${error.message}`;
    return false;
  }
}

for (const button of box.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
box.hidden = false;
show();
