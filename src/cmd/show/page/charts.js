/* charts.js: two charts of the last minute: latency under load, and how late a timer is. Times are in
 * microseconds, on a scale of decades. */

const SECONDS = 60;
const POINTS = 1200; /* more than a minute of them */
const marks = []; /* what was pressed, and when: {at, text} */

function makeChart(canvas, lines, empty) {
    return {canvas, lines, empty, points: [], low: 1, high: 3};
}
const latencyChart = makeChart(
    $('latency'),
    [
        ['p50', 'link', []],
        ['p99', 'second', [5, 3]]
    ],
    'no load: give it some clients'
);
const lateChart = makeChart(
    $('late'),
    [
        ['last', 'link', []],
        ['max', 'second', [5, 3]]
    ],
    'no figures yet'
);

function addPoint(chart, at, values, isBlocked) {
    chart.points.push({at, values, isBlocked});
    if (chart.points.length > POINTS) chart.points.splice(0, POINTS / 4);
}
function addMark(text) {
    marks.push({at: view.now(), text});
    if (marks.length > 40) marks.shift();
}

/* The decades that hold all points of the minute: at least two, so that noise looks like noise. */
function setDecades(chart, points) {
    let low = Infinity,
        high = -Infinity;
    for (const point of points)
        for (const value of point.values) {
            if (!(value > 0)) continue;
            low = Math.min(low, value);
            high = Math.max(high, value);
        }
    if (low === Infinity) return;
    chart.low = Math.max(0, Math.floor(Math.log10(low)));
    chart.high = Math.max(chart.low + 2, Math.ceil(Math.log10(high * 1.05)));
}

function drawChart(chart) {
    const box = chart.canvas.getBoundingClientRect(),
        scale = devicePixelRatio || 1;
    if (box.width < 50 || box.height < 50) return;
    const width = Math.round(box.width * scale),
        height = Math.round(box.height * scale);
    if (chart.canvas.width !== width) chart.canvas.width = width;
    if (chart.canvas.height !== height) chart.canvas.height = height;
    const pen = chart.canvas.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    pen.font = '11px system-ui, sans-serif';
    const now = view.now(),
        points = chart.points.filter(point => point.at >= now - SECONDS * 1000 && point.at <= now);
    setDecades(chart, points);
    const frame = {left: 46, right: box.width - 84, top: 14, bottom: box.height - 18};
    frame.x = at => frame.right - ((now - at) / (SECONDS * 1000)) * (frame.right - frame.left);
    frame.y = value =>
        frame.bottom -
        ((Math.log10(Math.max(value, 10 ** chart.low)) - chart.low) / (chart.high - chart.low)) *
            (frame.bottom - frame.top);
    drawAxes(pen, chart, frame);
    drawBlocked(pen, points, frame);
    drawMarks(pen, now, frame);
    drawLines(pen, chart, points, frame);
    if (!points.some(point => point.values[0] > 0)) {
        pen.fillStyle = colors.dim;
        pen.textAlign = 'center';
        pen.fillText(chart.empty, (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2);
    }
}

function drawAxes(pen, chart, frame) {
    pen.lineWidth = 1;
    pen.strokeStyle = colors.line;
    pen.fillStyle = colors.dim;
    pen.setLineDash([]);
    pen.textBaseline = 'middle';
    pen.textAlign = 'right';
    for (let decade = chart.low; decade <= chart.high; decade++) {
        const y = Math.round(frame.y(10 ** decade)) + 0.5;
        pen.beginPath();
        pen.moveTo(frame.left, y);
        pen.lineTo(frame.right, y);
        pen.stroke();
        pen.fillText(duration(10 ** decade * 1000), frame.left - 5, y);
    }
    pen.textBaseline = 'alphabetic';
    pen.textAlign = 'center';
    for (let second = 0; second <= SECONDS; second += frame.right - frame.left < 280 ? 20 : 10) {
        const x = frame.right - (second / SECONDS) * (frame.right - frame.left);
        pen.fillText(second === 0 ? 'now' : '−' + second + ' s', x, frame.bottom + 14);
    }
}

function drawBlocked(pen, points, frame) {
    pen.globalAlpha = 0.16;
    pen.fillStyle = colors.bad;
    for (let i = 1; i < points.length; i++)
        if (points[i].isBlocked)
            pen.fillRect(
                frame.x(points[i - 1].at),
                frame.top,
                frame.x(points[i].at) - frame.x(points[i - 1].at) + 0.5,
                frame.bottom - frame.top
            );
    pen.globalAlpha = 1;
}

function drawMarks(pen, now, frame) {
    let free = -Infinity;
    pen.textAlign = 'left';
    for (const mark of marks) {
        const x = Math.round(frame.x(mark.at)) + 0.5;
        if (mark.at > now || x < frame.left) continue;
        pen.strokeStyle = pen.fillStyle = colors.dim;
        pen.setLineDash([2, 2]);
        pen.beginPath();
        pen.moveTo(x, frame.top - 4);
        pen.lineTo(x, frame.bottom);
        pen.stroke();
        pen.setLineDash([]);
        const text = cut(mark.text, 26),
            width = pen.measureText(text).width;
        const left = x + width > frame.right + 80 ? x - width : x;
        if (left < free) continue;
        pen.fillText(text, left, frame.top - 4);
        free = left + width + 8;
    }
}

function drawLines(pen, chart, points, frame) {
    const ends = [];
    chart.lines.forEach(([name, color, dash], index) => {
        pen.strokeStyle = colors[color];
        pen.lineWidth = 1.75;
        pen.setLineDash(dash);
        pen.beginPath();
        let isDown = false,
            last = null;
        for (const point of points) {
            const value = point.values[index];
            if (!(value > 0)) {
                isDown = false;
                continue;
            }
            const x = frame.x(point.at),
                y = frame.y(value);
            if (isDown) pen.lineTo(x, y);
            else pen.moveTo(x, y);
            isDown = true;
            last = value;
        }
        pen.stroke();
        if (isDown) ends.push({name, color, value: last, y: frame.y(last)});
    });
    pen.setLineDash([]);
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    ends.sort((a, b) => a.y - b.y);
    for (let i = 1; i < ends.length; i++) ends[i].y = Math.max(ends[i].y, ends[i - 1].y + 13);
    for (const end of ends) {
        pen.fillStyle = colors[end.color];
        pen.fillText(
            end.name + ' ' + duration(end.value * 1000),
            frame.right + 5,
            Math.min(end.y, frame.bottom + 4)
        );
    }
    pen.textBaseline = 'alphabetic';
}

function addState(state) {
    const at = view.now(),
        isBlocked = isBlockedIn(state);
    /* While a callback lasts nothing is measured; the timer is late by as long at least. */
    const least = isBlocked ? state.blocked_ms * 1000 : 0;
    const load = state.load || {},
        late = state.late_us || {};
    addPoint(latencyChart, at, load.clients > 0 ? [load.p50_us, load.p99_us] : [0, 0], isBlocked);
    addPoint(lateChart, at, [Math.max(late.last || 0, least), Math.max(late.max || 0, least)], isBlocked);
}

function drawCharts() {
    drawChart(latencyChart);
    drawChart(lateChart);
}

on('state', state => {
    addState(state);
    if (document.hidden || view.isSeeking) return;
    drawCharts();
    const load = state.load || {},
        late = state.late_us || {};
    put(
        $('latency-now'),
        load.clients > 0
            ? several(load.clients, 'client', 'clients') +
                  ' · ' +
                  count(load.done_per_s) +
                  '/s · worst ' +
                  duration(load.max_us * 1000) +
                  (load.errors > 0 ? ' · ' + several(load.errors, 'error', 'errors') : '')
            : 'no load'
    );
    put($('late-now'), 'p99 ' + duration((late.p99 || 0) * 1000) + ' · worst ' + duration((late.max || 0) * 1000));
});
addEventListener('resize', drawCharts);
for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)'])
    matchMedia(query).addEventListener('change', () => {
        readColors();
        drawCharts();
    });
