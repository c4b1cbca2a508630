// Maps without tiles: outlines of land, and on them the shapes, pictures and files of a page. All texts that a page brings
// are set as text. Without scripts there is no map, and what it shows is in a table.
const WORLD = [[-90, -180], [90, 180]];
const NICE_STEPS = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const LEAST_DEGREES = 0.02;

for (const box of document.querySelectorAll("[data-map]")) show(box);
for (const box of document.querySelectorAll("[data-draw]")) letDraw(box);
// what a form has got since
document.addEventListener("fields", ({ target }) => {
  for (const box of target.querySelectorAll("[data-draw]:not(.leaflet-container)")) letDraw(box);
});

async function show(box) {
  const { shapes, vectors } = JSON.parse(box.dataset.map);
  const map = open(box);
  const content = L.featureGroup(shapes.map(draw).filter(Boolean)).addTo(map);
  fit(map, content);
  const inset = addInset(box, map);
  await Promise.all([addLand(box, map, inset), ...Object.entries(vectors).map(([title, href]) => addFile(content, title, href))]);
  fit(map, content);
  box.dataset.state = "shown";
}

function open(box) {
  box.hidden = false;
  const map = L.map(box, { crs: L.CRS.EPSG4326, zoomSnap: 0.25, maxBounds: [[-120, -240], [120, 240]], attributionControl: false });
  map.createPane("land").style.zIndex = 150;
  map.fitBounds(WORLD, { animate: false });
  addLines(map);
  return map;
}

async function addLand(box, map, inset) {
  const land = await (await fetch(box.dataset.land)).json();
  // below the degrees, which are there already
  L.geoJSON(land, { pane: "land", interactive: false, className: "land" }).addTo(map).bringToBack();
  if (inset) L.geoJSON(land, { interactive: false, className: "land" }).addTo(inset).bringToBack();
}

// a map on which a box is drawn into a field: by dragging, or as what the map shows
async function letDraw(box) {
  const field = document.getElementById(box.dataset.draw);
  const tools = document.getElementById(`${box.id}-tools`);
  const map = open(box);
  const frame = L.rectangle(WORLD, { interactive: false, className: "shape" });
  const [drawing, taking] = tools.querySelectorAll("button");
  tools.hidden = false;
  const showBox = () => {
    const [west, south, east, north] = field.value.split(",").map(Number);
    if ([west, south, east, north].every(Number.isFinite) && west < east && south < north) frame.setBounds([[south, west], [north, east]]).addTo(map);
    else frame.remove();
  };
  const take = (bounds) => {
    const edges = [Math.max(bounds.getWest(), -180), Math.max(bounds.getSouth(), -90), Math.min(bounds.getEast(), 180), Math.min(bounds.getNorth(), 90)];
    field.value = edges.map((edge) => Number(edge.toFixed(4))).join(", ");
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const setDrawing = (isOn) => {
    drawing.setAttribute("aria-pressed", String(isOn));
    box.classList.toggle("drawing", isOn);
    map.dragging[isOn ? "disable" : "enable"]();
  };
  let start = null;
  map.on("mousedown", ({ latlng }) => { if (box.classList.contains("drawing")) start = latlng; });
  map.on("mousemove", ({ latlng }) => { if (start) frame.setBounds([start, latlng]).addTo(map); });
  map.on("mouseup", ({ latlng }) => {
    if (!start) return;
    const bounds = L.latLngBounds(start, latlng);
    start = null;
    setDrawing(false);
    if (bounds.getWest() < bounds.getEast() && bounds.getSouth() < bounds.getNorth()) take(bounds);
  });
  drawing.addEventListener("click", () => setDrawing(!box.classList.contains("drawing")));
  taking.addEventListener("click", () => take(map.getBounds()));
  field.addEventListener("change", showBox);
  showBox();
  if (map.hasLayer(frame)) map.fitBounds(frame.getBounds().pad(0.5), { animate: false });
  await addLand(box, map, null);
  box.dataset.state = "shown";
}

function fit(map, content) {
  const bounds = content.getLayers().length ? content.getBounds() : L.latLngBounds(WORLD);
  const small = Math.max(bounds.getEast() - bounds.getWest(), bounds.getNorth() - bounds.getSouth()) < LEAST_DEGREES;
  map.fitBounds(small ? bounds.getCenter().toBounds(2000) : bounds.pad(0.15), { animate: false });
}

function draw({ title, geometry, box, kind, href, picture }) {
  const group = L.featureGroup();
  const [west, south, east, north] = box;
  if (picture) {
    const image = L.imageOverlay(picture, [[south, west], [north, east]], { alt: "", className: "quicklook" });
    image.on("error", () => image.remove());
    group.addLayer(image);
  }
  try {
    const point = (_, place) => L.circleMarker(place, { radius: 6 });
    group.addLayer(L.geoJSON(geometry, { pointToLayer: point, style: { className: `shape ${kind}${picture ? " seen" : ""}` } }));
  } catch { return null; /* no geometry: a package may have written it */ }
  name(group, title);
  if (href) group.on("click", () => { location.href = href; });
  return group;
}

function name(layer, title) {
  const text = document.createElement("span");
  text.textContent = title;
  layer.bindTooltip(text, { sticky: true });
}

async function addFile(content, title, href) {
  try {
    const answer = await fetch(href);
    const point = (_, place) => L.circleMarker(place, { radius: 5 });
    const layer = L.geoJSON(await answer.json(), { pointToLayer: point, style: { className: "shape vector" } });
    name(layer, title);
    if (layer.getLayers().length) content.addLayer(layer);
  } catch { /* no GeoJSON: the text of the file is below */ }
}

// meridians and parallels, with their degrees
function addLines(map) {
  const lines = L.layerGroup().addTo(map);
  const renew = () => {
    lines.clearLayers();
    const seen = map.getBounds();
    const width = seen.getEast() - seen.getWest();
    // in a narrow window there is room for few of the words beside them
    const most = map.getSize().x / 70;
    const step = NICE_STEPS.find((one) => width / one >= Math.min(4, most / 2)) ?? NICE_STEPS.at(-1);
    const [west, east, south, north] = [Math.max(seen.getWest(), -180), Math.min(seen.getEast(), 180), Math.max(seen.getSouth(), -90), Math.min(seen.getNorth(), 90)];
    for (let at = Math.ceil(west / step) * step; at <= east; at += step) addLine(lines, [[south, at], [north, at]], [south, at], showDegrees(at, "W", "E"), "below");
    for (let at = Math.ceil(south / step) * step; at <= north; at += step) {
      // no word below the buttons in the corner
      const { x, y } = map.latLngToContainerPoint([at, west]);
      addLine(lines, [[at, west], [at, east]], [at, west], x < 50 && y < 75 ? "" : showDegrees(at, "S", "N"), "beside");
    }
  };
  map.on("moveend", renew);
  renew();
}

function addLine(lines, ends, place, text, side) {
  lines.addLayer(L.polyline(ends, { pane: "land", interactive: false, className: "degrees" }));
  // above the shapes of its pane, wherever it lies
  lines.addLayer(L.marker(place, { pane: "land", zIndexOffset: 1000, interactive: false, keyboard: false, icon: L.divIcon({ className: `degree ${side}`, html: text, iconSize: null }) }));
}

function showDegrees(at, below, above) {
  const size = Number(Math.abs(at).toFixed(2));
  return `${size}°${size === 0 ? "" : at < 0 ? below : above}`;
}

// a small map of the world, which says where the large one is
function addInset(box, map) {
  const place = box.appendChild(document.createElement("div"));
  place.className = "inset";
  place.setAttribute("aria-hidden", "true");
  const still = { zoomControl: false, attributionControl: false, dragging: false, keyboard: false, scrollWheelZoom: false, doubleClickZoom: false, boxZoom: false, touchZoom: false, zoomSnap: 0, minZoom: -4 };
  const inset = L.map(place, { crs: L.CRS.EPSG4326, ...still }).fitBounds(WORLD, { animate: false });
  const here = L.rectangle(map.getBounds(), { interactive: false, className: "here" }).addTo(inset);
  map.on("moveend", () => here.setBounds(map.getBounds()));
  // narrow windows hide it, and windows are turned
  map.on("resize", () => inset.invalidateSize().fitBounds(WORLD, { animate: false }));
  return inset;
}
