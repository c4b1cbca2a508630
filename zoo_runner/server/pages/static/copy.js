// A button beside each address that copies it. Without scripts, or where the browser forbids it, it is copied by hand.
for (const shown of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${shown.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(shown.textContent);
      button.textContent = "Copied";
    } catch { getSelection().selectAllChildren(shown); }
  });
  shown.after(" ", button);
}
