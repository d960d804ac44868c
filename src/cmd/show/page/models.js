/* models.js: models of servers under the same load, one after another: four charts of one run, which draw as
 * it goes, and its figures. */

const MODEL_NAMES = {
    'one': ['one at', 'a time'],
    'fork': ['process', 'each'],
    'thread': ['thread', 'each'],
    'thread-pool': ['thread', 'pool'],
    'loop': ['event', 'loop'],
    'loop-pool': ['loop', '+ pool']
};
const METRICS = [
    {title: 'Requests/s', hint: 'more is better', value: it => it.done_per_s, text: count},
    {
        title: 'Latency, p99',
        hint: 'less is better; logarithmic',
        value: it => it.p99_us * 1000,
        text: duration,
        isLog: true
    },
    {title: 'Memory', hint: 'less is better', value: it => it.memory_kb, text: memory},
    {title: 'Threads', hint: 'of all processes', value: it => it.threads, text: count}
];
const MODEL_MS = 5000; /* that each is measured for; the slow ones may take longer */
const MODEL_CHART = {height: 150, top: 18, bottom: 118};
const models = {names: [], points: new Map(), running: null};

const modelName = name => (MODEL_NAMES[name] || [name]).join(' ');
function median(values) {
    const sorted = values.filter(it => it >= 0).sort((a, b) => a - b);
    return sorted.length > 0 ? sorted[sorted.length >> 1] : null;
}
const pointsOf = name => models.points.get(name) || [];

function makeModels(hello) {
    models.names = hello.models || [];
    models.points.clear();
    models.running = null;
    list(
        $('model-grid'),
        METRICS,
        () => make('div', {}, make('h3'), make('p', {class: 'dim'}), draw('svg', {role: 'img'}), make('dl')),
        (panel, metric) => {
            put(panel.children[0], metric.title);
            put(panel.children[1], metric.hint);
            set(panel.children[2], 'aria-label', metric.title + ' of the models; the list has it in words');
        }
    );
    showModels();
}

/* From the lowest to the highest value on the chart's height. */
function modelScale(metric) {
    const {top, bottom} = MODEL_CHART;
    const values = models.names.flatMap(name => pointsOf(name).map(metric.value)).filter(it => it > 0);
    const high = values.length > 0 ? Math.max(...values) : 1;
    if (!metric.isLog) return {high, y: value => bottom - (Math.max(0, value) / high) * (bottom - top)};
    const low = Math.floor(Math.log10(Math.min(...values, high)));
    const decades = Math.max(1, Math.ceil(Math.log10(high)) - low);
    return {
        high: 10 ** (low + decades),
        y: value => bottom - ((Math.log10(Math.max(value, 10 ** low)) - low) / decades) * (bottom - top)
    };
}

function drawModel(svg, metric, scale, name, left, width) {
    const {top, bottom} = MODEL_CHART;
    const points = pointsOf(name);
    const end = Math.max(MODEL_MS, ...points.map(it => it.after_ms));
    const x = ms => left + 2 + (ms / end) * (width - 4);
    const path = points.map(it => `${x(it.after_ms).toFixed(1)} ${scale.y(metric.value(it)).toFixed(1)}`);
    const from = points.length > 0 ? x(0).toFixed(1) + ' ' + path[0].split(' ')[1] : '';
    svg.append(draw('line', {x1: left, x2: left, y1: top, y2: bottom, class: 'line'}));
    if (points.length > 0 && metric.value(points[0]) >= 0) {
        const line = `M${from}L${path.join('L')}`;
        const last = x(points[points.length - 1].after_ms).toFixed(1);
        svg.append(
            draw('path', {d: `${line}V${bottom}H${x(0).toFixed(1)}Z`, class: 'area'}),
            draw('path', {d: line, class: 'curve'}),
            draw('circle', {cx: last, cy: path[path.length - 1].split(' ')[1], r: 2.5, class: 'end'})
        );
    }
    (MODEL_NAMES[name] || [name]).forEach((text, index) =>
        svg.append(
            draw(
                'text',
                {x: left + width / 2, y: bottom + 14 + 12 * index, class: name === models.running ? 'running' : null},
                text
            )
        )
    );
}

function drawMetric(svg, metric) {
    const width = svg.parentElement.clientWidth || 280;
    const {height, top, bottom} = MODEL_CHART;
    const step = width / Math.max(1, models.names.length);
    const scale = modelScale(metric);
    set(svg, 'viewBox', `0 0 ${width} ${height}`);
    set(svg, 'height', height);
    svg.textContent = '';
    svg.append(
        draw('line', {x1: 0, x2: width, y1: bottom, y2: bottom, class: 'line'}),
        draw('line', {x1: 0, x2: width, y1: top, y2: top, class: 'line faint'})
    );
    if (models.points.size > 0) svg.append(draw('text', {x: 2, y: top - 5, class: 'high'}, metric.text(scale.high)));
    models.names.forEach((name, index) => drawModel(svg, metric, scale, name, index * step, step));
}

function showModels() {
    METRICS.forEach((metric, index) => {
        const panel = $('model-grid').children[index];
        if (!panel) return;
        drawMetric(panel.children[2], metric);
        list(
            panel.children[3],
            models.names,
            () => make('div', {}, make('dt'), make('dd')),
            (row, name) => {
                const value = median(pointsOf(name).map(metric.value));
                set(row, 'class', name === models.running ? 'running' : null);
                put(row.firstChild, modelName(name));
                put(row.lastChild, value === null ? '–' : metric.text(value));
            }
        );
    });
    $('models-stop').disabled = models.running === null;
    put($('models-text'), models.running ? 'running: ' + modelName(models.running) : '');
}

on('hello', makeModels);
on('model', it => {
    if (it.end) {
        models.running = null;
    } else if (it.begins) {
        if (it.model === models.names[0]) models.points.clear(); /* another visitor's run */
        models.points.set(it.model, []);
        models.running = it.model;
    } else {
        if (!models.points.has(it.model)) models.points.set(it.model, []);
        models.points.get(it.model).push(it);
        models.running = it.model;
    }
    showModels();
});
$('models-form').onsubmit = async event => {
    event.preventDefault();
    if (await act('models', {on: 1, clients: $('models-clients').value || 100})) {
        $('models-stop').disabled = false;
        put($('models-text'), 'starting …');
    }
};
$('models-stop').onclick = () => act('models', {on: 0});
addEventListener('resize', showModels);
