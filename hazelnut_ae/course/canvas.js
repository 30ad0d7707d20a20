// A picture to draw on. The kernel gets the strokes, [[[x, y], ...], ...] in pixels of the picture, and paints them.
// Keys: arrows move the pen (8 pixels with shift), space sets it down and lifts it, u takes the last stroke back.
export default {
  render({ model, el }) {
    const side = 256;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 2 * side;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Draw here with mouse, finger or keys");
    Object.assign(canvas.style, { width: "384px", maxWidth: "100%", touchAction: "none", cursor: "crosshair", borderRadius: "4px" });
    el.append(canvas);
    const context = canvas.getContext("2d");
    const picture = new Image();
    const pen = { x: side / 2, y: side / 2, down: false, shown: false };
    let pointer = null, waiting = false;
    let strokes = structuredClone(model.get("strokes"));

    picture.onload = show;
    const load = () => { picture.src = `data:image/png;base64,${model.get("picture")}`; };
    model.on("change:picture", load);
    model.on("change:strokes", () => { if (pointer === null && !pen.down) strokes = structuredClone(model.get("strokes")); });
    load();

    function show() {
      context.drawImage(picture, 0, 0, 2 * side, 2 * side);
      context.strokeStyle = "rgba(255, 255, 255, 0.8)"; // what is being drawn, until the kernel has painted it
      context.lineWidth = 2;
      if (pointer !== null || pen.down) outline(strokes.at(-1));
      if (!pen.shown) return;
      context.beginPath();
      context.arc(2 * pen.x, 2 * pen.y, pen.down ? 4 : 9, 0, 7);
      context.stroke();
    }

    function outline(points) {
      context.beginPath();
      for (const [x, y] of points) context.lineTo(2 * x, 2 * y);
      context.stroke();
    }

    // At most a message for each frame that the screen shows
    function send() {
      show();
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        model.set("strokes", structuredClone(strokes));
        model.save_changes();
      });
    }

    function place(event) {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side].map(Math.round);
    }

    canvas.addEventListener("pointerdown", (event) => {
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      strokes.push([place(event)]);
      pen.shown = false;
      send();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pointer) return;
      strokes.at(-1).push(place(event));
      show();
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { pointer = null; send(); });
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const step = event.shiftKey ? 8 : 2;
      pen.shown = true;
      if (move) {
        pen.x = Math.min(side - 1, Math.max(0, pen.x + step * move[0]));
        pen.y = Math.min(side - 1, Math.max(0, pen.y + step * move[1]));
        if (pen.down) strokes.at(-1).push([pen.x, pen.y]);
        show();
      } else if (event.key === " ") {
        pen.down = !pen.down;
        if (pen.down) strokes.push([[pen.x, pen.y]]);
        send();
      } else if (event.key === "u") {
        strokes.pop();
        pen.down = false;
        send();
      } else return;
      event.preventDefault();
      event.stopPropagation(); // Jupyter has meanings of its own for keys
    });
  },
};
