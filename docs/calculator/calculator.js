// The calculator: a form, Python in this page, and pictures of its answers. Everything stays in the browser.
"use strict";

(() => {
  const form = document.getElementById("calculator-form");
  const state = document.getElementById("calculator-state");
  const shown = document.getElementById("calculator-answer");
  const TARGETS = { WARM_ENI_TARGET: 1, WARM_IP_TARGET: 0, MINIMUM_IP_TARGET: 0, WARM_PREFIX_TARGET: 1 };
  const kept = [];
  let python = null;

  // --- Python -------------------------------------------------------------------------------------------------------------

  async function unpacked(name) {
    const bytes = Uint8Array.from(atob(ENGINE.files[name]), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  async function start() {
    const [wasm, standard, library, module] = await Promise.all(
      ["pyodide.asm.wasm", "python_stdlib.zip", "library.zip", "pyodide.asm.mjs"].map(unpacked));
    const here = "https://calculator.invalid/"; // Pyodide asks for its files by these addresses; nothing is fetched
    const files = { "pyodide.asm.wasm": [wasm, "application/wasm"], "python_stdlib.zip": [standard, "application/zip"] };
    const fetchFromNetwork = window.fetch;
    window.fetch = async (request, ...rest) => {
      const name = String(request.url ?? request).replace(here, "");
      return name in files ? new Response(files[name][0], { headers: { "Content-Type": files[name][1] } }) : fetchFromNetwork(request, ...rest);
    };
    try {
      const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
      const createPyodideModule = (await import(address)).default;
      URL.revokeObjectURL(address);
      const engine = await loadPyodide({
        indexURL: here, createPyodideModule, lockFileContents: { info: ENGINE.info, packages: {} },
        env: { VPCIPAM_NO_EXTENSION: "1", HOME: "/home/pyodide" },
      });
      engine.unpackArchive(library, "zip", { extractDir: "/library" });
      engine.runPython("import sys; sys.path.insert(0, '/library')");
      return engine.pyimport("calculator");
    } finally {
      window.fetch = fetchFromNetwork;
    }
  }

  // --- the question -------------------------------------------------------------------------------------------------------

  const field = (name) => form.elements[name];

  function question() {
    const variables = {};
    if (field("ENABLE_PREFIX_DELEGATION").checked) variables.ENABLE_PREFIX_DELEGATION = "true";
    for (const [name, usual] of Object.entries(TARGETS)) {
      if (Number(field(name).value) !== usual) variables[name] = Number(field(name).value);
    }
    return {
      type: field("type").value.trim(), pods: Number(field("pods").value), nodes: Number(field("nodes").value),
      zones: Number(field("zones").value), subnet: field("subnet").value, variables,
    };
  }

  function toAddress(asked) {
    const { variables, ...rest } = asked;
    history.replaceState(null, "", `#${new URLSearchParams({ ...rest, ...variables })}`);
  }

  function fromAddress() {
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      const found = form.elements[name];
      if (!found || !("value" in found) || found.type === "button") continue;
      if (found.type === "checkbox") found.checked = value === "true";
      else found.value = value;
    }
  }

  // --- the answer ---------------------------------------------------------------------------------------------------------

  const number = (value) => value.toLocaleString("en-US");
  const many = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : /[sx]$/.test(noun) ? "es" : "s"}`;
  const NS = "http://www.w3.org/2000/svg";

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function drawing(width, height, title) {
    const made = document.createElementNS(NS, "svg");
    for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title })) made.setAttribute(key, value);
    return made;
  }

  function put(picture, name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    picture.append(made);
    return made;
  }

  function cell(picture, x, y, width, height, share, kind, text) {
    put(picture, "rect", { x, y, width, height, class: kind });
    if (share > 0) put(picture, "rect", { x, y: y + height * (1 - share), width, height: height * share, class: "cell-held" });
    put(put(picture, "rect", { x, y, width, height, class: "cell-frame" }), "title", {}, text);
  }

  function key(picture, y, entries) {
    let x = 0;
    for (const [kind, text] of entries) {
      put(picture, "rect", { x: x + .5, y: y - 9.5, width: 11, height: 11, class: kind });
      put(picture, "text", { x: x + 16, y, fill: "currentColor", "font-size": 12 }, text);
      x += 30 + text.length * 6.6;
    }
  }

  function drawNode(node) {
    const most = Math.max(...node.enis.map((eni) => eni.addresses + eni.prefixes), 1);
    const size = 18;
    const left = 130;
    const picture = drawing(Math.max(left + (most + 1) * size + 10, 470), node.enis.length * 26 + 34, `${node.enis.length} ENIs with ${node.held} pods`);
    node.enis.forEach((eni, row) => {
      const y = row * 26 + .5;
      const name = `${eni.name}${eni.primary ? " (primary)" : eni.trunk ? " (trunk)" : ""}`;
      put(picture, "text", { x: 0, y: y + 14, fill: "currentColor", "font-size": 12 }, name);
      cell(picture, left + .5, y, size - 3, size, 0, "cell-own", `${name}: its own address, which no pod gets`);
      let pods = eni.held;
      for (let slot = 0; slot < eni.addresses + eni.prefixes; slot += 1) {
        const room = slot < eni.addresses ? 1 : 16;
        const here = Math.min(pods, room);
        pods -= here;
        const what = room === 1 ? "address" : "prefix of 16 addresses";
        cell(picture, left + (slot + 1) * size + .5, y, size - 3, size, here / room, "cell-warm", `${name}, slot ${slot + 1}: ${what}, ${many(here, "pod")}`);
      }
    });
    key(picture, node.enis.length * 26 + 22, [["cell-held", "pods"], ["cell-warm", "attached, free"], ["cell-own", "ENI’s own address"]]);
    return picture;
  }

  function drawStrip(strip) {
    const columns = 16;
    const width = 30;
    const rows = Math.ceil(strip.blocks.length / columns);
    const picture = drawing(columns * width + 10, rows * 34 + 34, `${strip.blocks.length} blocks of 16 addresses`);
    strip.blocks.forEach((block, place) => {
      const [x, y] = [(place % columns) * width + .5, Math.floor(place / columns) * 34 + .5];
      const says = `${place * 16} to ${place * 16 + 15}: ${block.kind === "prefix" ? "a prefix" : many(block.taken, "address")}, ${many(block.held, "pod")}`;
      put(picture, "rect", { x, y, width: width - 4, height: 26, class: "cell-empty" });
      if (block.taken) put(picture, "rect", { x, y: y + 26 * (1 - block.taken / 16), width: width - 4, height: 26 * block.taken / 16, class: "cell-warm" });
      if (block.held) put(picture, "rect", { x, y: y + 26 * (1 - block.held / 16), width: width - 4, height: 26 * block.held / 16, class: "cell-held" });
      if (block.kind === "prefix") put(picture, "path", { d: `M${x + 3} ${y - .5}h${width - 10}`, stroke: "currentColor", "stroke-width": 3 });
      put(put(picture, "rect", { x, y, width: width - 4, height: 26, class: "cell-frame", "fill-opacity": 0 }), "title", {}, says);
    });
    const prefixes = strip.blocks.some((block) => block.kind === "prefix") ? [["cell-prefix", "bar: prefix"]] : [];
    key(picture, rows * 34 + 22, [["cell-held", "pods"], ["cell-warm", "taken, no pod"], ["cell-empty", "free"], ...prefixes]);
    return picture;
  }

  function sentence(asked, node) {
    const waits = node.waiting ? ` ${many(node.waiting, "pod")} of ${number(node.pods)} would wait: ${node.waiting_reason}.` : "";
    const held = node.prefixes ? `${many(node.prefixes, "prefix")} (${many(node.attached, "address")})` : many(node.attached, "address");
    return `${asked.type} runs ${many(node.assigned, "pod")} with ${many(node.enis.length, "ENI")} and ${held}, ${number(node.free)} of them free. `
      + `It takes ${many(node.subnet, "address")} out of its subnet. At most ${many(node.pod_limit, "pod")} fit: ${node.limit_reason}.${waits}`
      + (node.settled ? "" : " It never settles: it goes back and forth between two sizes.");
  }

  function row(name, cells) {
    return element("tr", {}, ...cells.map((each) => element(name, typeof each === "number" ? { class: "number" } : {}, typeof each === "number" ? number(each) : each)));
  }

  const variablesOf = (asked) => Object.entries(asked.variables).map(([name, value]) => `${name}=${value}`).join(" ") || "as shipped";

  function compared(latest) {
    const table = shown.querySelector(".compared");
    table.replaceChildren(row("th", ["type", "settings", "pods", "ENIs", "attached", "free", "out of the subnet", "subnets"]));
    for (const { asked, found } of [...kept, latest]) {
      const { node, cluster } = found;
      table.append(row("td", [asked.type, variablesOf(asked), node.assigned, node.enis.length, node.attached, node.free, node.subnet,
        cluster.error ? "–" : `${number(cluster.subnets)} × ${asked.subnet}`]));
    }
  }

  function show(asked, found) {
    const { node, cluster } = found;
    node.held = node.assigned;
    shown.querySelector(".sentence").textContent = sentence(asked, node);
    shown.querySelector("[data-picture=node]").replaceChildren(drawNode(node));
    shown.querySelector(".diagnostics").replaceChildren(...found.diagnostics.map((each) => element("li", {}, `${each.level}: ${each.message}`)));
    shown.querySelector(".decisions").replaceChildren(row("th", ["pods", "what", "why"]), ...node.decisions.map((each) => row("td", [each.pods, each.what, each.why])));
    shown.querySelector(".cluster").textContent = cluster.error ? cluster.error
      : `${many(asked.nodes, "node")} in ${many(asked.zones, "zone")} need ${many(cluster.subnets, "subnet")} of ${asked.subnet}, ${number(cluster.per_zone)} in each zone.`
        + (cluster.bites ? ` First to run out: ${cluster.bites}.` : "");
    compared({ asked, found });
  }

  function showStrip(strip) {
    shown.querySelector(".strip-says").textContent = strip.error ?? `${strip.cidr} with ${strip.nodes} of the ${many(strip.of, "node")} of the zone`
      + (strip.nodes < strip.of ? "; the others go into further subnets" : "") + ". Each box is a /28.";
    shown.querySelector("[data-picture=strip]").replaceChildren(...(strip.error ? [] : [drawStrip(strip)]));
  }

  let last = null;

  function calculate() {
    for (const slider of form.querySelectorAll("input[type=range]")) slider.parentElement.querySelector("output").value = slider.value;
    if (python === null || !form.reportValidity()) return;
    const asked = question();
    const found = JSON.parse(python.answer(JSON.stringify(asked)));
    state.className = found.error ? "refused" : "";
    state.textContent = found.error ?? "";
    shown.hidden = Boolean(found.error);
    last = found.error ? null : { asked, found };
    if (found.error) return;
    toAddress(asked);
    show(asked, found);
    setTimeout(() => { if (last?.asked === asked) showStrip(JSON.parse(python.strip(JSON.stringify(asked)))); }, 0);
  }

  let waiting = 0;

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(calculate, 120);
  }

  // --- the page -----------------------------------------------------------------------------------------------------------

  for (let length = 28; length >= 16; length -= 1) field("subnet").append(element("option", length === 24 ? { selected: "" } : {}, `/${length}`));
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { kept.length = 0; history.replaceState(null, "", location.pathname + location.search); setTimeout(calculate, 0); });
  field("keep").addEventListener("click", () => { if (last) { kept.push(last); compared(last); } });
  window.addEventListener("hashchange", () => { fromAddress(); calculate(); });
  fromAddress();
  calculate();
  start().then((module) => {
    python = module;
    document.getElementById("calculator-types").append(...JSON.parse(python.types()).map((name) => element("option", { value: name })));
    calculate();
    document.body.dataset.calculator = "ready";
  }).catch((error) => {
    state.className = "refused";
    state.textContent = `Python can't be loaded here: ${error.message ?? error}`;
  });
})();
