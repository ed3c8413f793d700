// Draw everything that the page has data for, one after the other, once the page itself is to be seen.

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const beside = {}; // plots side by side have one scale
  for (const given of data) if (given && given.share) (beside[given.share] ||= []).push(...given.series);
  for (const given of data) if (given && given.share) given.scale = beside[given.share];
  const kinds = { plot, recording, array: (holder, given) => arrayMap(holder, given) };
  const waiting = [...document.querySelectorAll("[data-kind]")];
  const next = () => {
    const holder = waiting.shift();
    if (!holder) return (document.documentElement.dataset.drawn = "all");
    kinds[holder.dataset.kind](holder, data[holder.dataset.number]);
    setTimeout(next);
  };
  next();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    document.documentElement.classList.toggle("printing", printing);
    drawAll();
  });
}
requestAnimationFrame(() => setTimeout(start));
