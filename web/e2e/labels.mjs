// Runs in the page: what a screen reader could not name or a key not reach.
export function unlabelled() {
  const problems = [];
  const nameOf = (element) => {
    const labelledBy = element.getAttribute("aria-labelledby");
    const label = element.labels?.[0]?.textContent ?? "";
    return (
      element.getAttribute("aria-label") ||
      (labelledBy && document.getElementById(labelledBy)?.textContent) ||
      label ||
      element.getAttribute("alt") ||
      element.textContent ||
      ""
    ).trim();
  };
  for (const element of document.querySelectorAll("button, input, select, textarea, a[href], [role=application], [role=switch], [role=radio], [role=slider], dialog")) {
    if (element.hidden || element.getAttribute("aria-hidden") === "true") continue;
    if (nameOf(element) === "") problems.push(`no name: ${element.outerHTML.slice(0, 120)}`);
    if (element.tabIndex < 0 && element.tagName !== "DIALOG") problems.push(`not reachable: ${element.outerHTML.slice(0, 120)}`);
  }
  for (const image of document.querySelectorAll("svg, canvas, img")) {
    const hidden = image.closest("[aria-hidden=true]") !== null;
    if (!hidden && nameOf(image) === "") problems.push(`unnamed picture: ${image.outerHTML.slice(0, 120)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`id twice: ${id}`);
  for (const element of document.querySelectorAll("[aria-controls], [aria-describedby]")) {
    for (const id of (element.getAttribute("aria-controls") ?? element.getAttribute("aria-describedby") ?? "").split(" ")) {
      if (!document.getElementById(id)) problems.push(`points nowhere: ${id}`);
    }
  }
  if (document.documentElement.lang === "") problems.push("the page has no language");
  if (document.querySelectorAll("h1").length !== 1) problems.push("the page wants one h1");
  return problems;
}
