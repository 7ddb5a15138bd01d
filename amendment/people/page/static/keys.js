// Single keys press the button, or enter the list, that bears them (`data-key`), so that a key and a click are one
// thing. They rest in text fields and lists, beside Ctrl, Alt and Meta, while a dialog is open, when held down, and where
// the annotator turned them off.

const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

export function listen({ isOn, escape }) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      if (escape()) event.preventDefault();
      return;
    }
    if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || !isOn()) return;
    if (event.target.closest?.(TYPING)) return;
    const dialog = document.querySelector("dialog[open]");
    if (dialog) {
      if (event.key === "?") dialog.close();
      return;
    }
    const button = buttonOf(keyOf(event));
    if (!button) return;
    event.preventDefault();
    if (button.tagName === "SELECT") button.focus();
    else button.click();
  });
}

// By the letter where it is a Latin one, by its place on the keyboard elsewhere: digits above a French keyboard need
// Shift, and a Cyrillic one has no s.
function keyOf(event) {
  const key = event.key.toLowerCase();
  if (/^[a-z0-9?]$/.test(key)) return key;
  const place = /^(?:Digit(\d)|Key([A-Z]))$/.exec(event.code);
  if (!place || event.shiftKey) return "";
  if (place[1]) return place[1];
  return key.length === 1 && key.charCodeAt(0) > 0x7f ? place[2].toLowerCase() : "";
}

function buttonOf(key) {
  if (!key) return null;
  const all = [...document.querySelectorAll("[data-key]")];
  return all.find((button) => button.dataset.key === key && button.getClientRects().length > 0) ?? null;
}
