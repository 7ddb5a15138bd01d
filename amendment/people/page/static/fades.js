// A text that its box cuts off fades at that end (`cut-below`, `cut-right`), and its box can be scrolled by keyboard.

const BOXES = ".fades, .said-text pre, .said-text .table";

function update(box) {
  const below = box.scrollHeight - box.clientHeight;
  const right = box.scrollWidth - box.clientWidth;
  box.classList.toggle("cut-below", below - box.scrollTop > 4);
  box.classList.toggle("cut-right", right - Math.abs(box.scrollLeft) > 4);
  const isScrolled = getComputedStyle(box).overflowY !== "hidden" && Math.max(below, right) > 4;
  if (isScrolled) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

const sizes = new ResizeObserver((entries) => entries.forEach((entry) => update(entry.target)));

// After new texts stand on the page.
export function fade() {
  sizes.disconnect();
  for (const box of document.querySelectorAll(BOXES)) {
    update(box);
    sizes.observe(box);
  }
}

document.addEventListener("scroll", ({ target }) => target.matches?.(BOXES) && update(target), true);
