"use strict";
// Search and filters of the samples. Without this script everything is visible, and nothing can be filtered.
for (const section of document.querySelectorAll(".samples")) {
  const stories = [...section.querySelectorAll(".story")];
  const texts = stories.map((story) => story.textContent.toLowerCase());
  const flags = stories.map((story) => story.dataset.flags.split(","));
  const search = section.querySelector("input");
  const buttons = [...section.querySelectorAll("button")];
  const output = section.querySelector("output");
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = buttons.filter((button) => button.ariaPressed === "true").map((button) => button.dataset.filter);
    let shown = 0;
    stories.forEach((story, place) => {
      const fits = words.every((word) => texts[place].includes(word)) && wanted.every((flag) => flags[place].includes(flag));
      story.hidden = !fits;
      shown += fits;
    });
    if (words.length || wanted.length) section.querySelector(".stories").open = true;
    output.textContent = shown === stories.length ? "" : `${shown} of ${stories.length}`;
  };
  search.addEventListener("input", show);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.ariaPressed = String(button.ariaPressed !== "true");
      show();
    });
  }
  section.querySelector(".search").hidden = false;
}
const named = location.hash && document.getElementById(location.hash.slice(1));
if (named instanceof HTMLDetailsElement) named.open = named.parentElement.open = true;
