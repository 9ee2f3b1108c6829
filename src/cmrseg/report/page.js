"use strict";
(() => {
  const table = document.getElementById("cases");
  const heads = [...table.tHead.rows[0].cells];
  const cases = [...table.tBodies];

  // Text and numbers by column; a case without a value stands last, whichever way round.
  const valueOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.tagName === "TH" ? cell.textContent : null;
  };
  const words = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) => (typeof a === "string" ? words.compare(a, b) : a - b);

  const sort = (column, descending) => {
    const keyed = cases.map((body) => [valueOf(body, column), body]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return descending ? compare(b, a) : compare(a, b);
    });
    table.append(...keyed.map(([, body]) => body));
    heads.forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      // Numbers are asked for largest first, verdicts and names from the beginning.
      sort(column, now ? now === "ascending" : head.classList.contains("number"));
    });
  });

  const found = document.getElementById("found");
  const texts = cases.map((body) => body.textContent.toLowerCase());
  document.getElementById("find").addEventListener("input", (event) => {
    const asked = event.target.value.trim().toLowerCase();
    let shown = 0;
    cases.forEach((body, place) => {
      body.hidden = asked !== "" && !texts[place].includes(asked);
      shown += body.hidden ? 0 : 1;
    });
    found.textContent = asked === "" ? "" : `${shown} of ${cases.length} cases`;
  });

  // On paper nobody can open anything: of few cases print picture and numbers, of many the list.
  const few = 20;
  let opened = [];
  addEventListener("beforeprint", () => {
    if (cases.length > few) return;
    opened = [...table.querySelectorAll("details:not([open], .every)")];
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => {
    opened.forEach((details) => { details.open = false; });
    opened = [];
  });
})();
