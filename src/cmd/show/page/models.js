/* models.js: models of servers under the same load, four small charts of the same rows. */

const MODEL_NAMES = {
    'one': 'one at a time',
    'fork': 'a process each',
    'thread': 'a thread each',
    'thread-pool': 'pool of threads',
    'loop': 'event loop',
    'loop-pool': 'loop with pool'
};
const METRICS = [
    {title: 'Requests/s', hint: 'more is better', value: it => it.done_per_s, text: it => count(it.done_per_s)},
    {
        title: 'Latency, p99',
        hint: 'less is better; logarithmic',
        value: it => it.p99_us,
        text: it => duration(it.p99_us * 1000),
        isLog: true
    },
    {title: 'Memory', hint: 'less is better', value: it => it.memory_kb, text: it => memory(it.memory_kb)},
    {
        title: 'Threads',
        hint: 'and in how many processes',
        value: it => it.threads,
        text: it => count(it.threads) + (it.processes > 1 ? ' in ' + count(it.processes) : '')
    }
];
const models = {names: [], latest: new Map(), running: null};

function makeModels(hello) {
    models.names = hello.models || [];
    models.latest.clear();
    models.running = null;
    list(
        $('model-grid'),
        METRICS,
        () => make('div', {}, make('h3'), make('p', {class: 'dim'}), make('dl')),
        (panel, metric) => {
            put(panel.children[0], metric.title);
            put(panel.children[1], metric.hint);
        }
    );
    showModels();
}

function showModels() {
    METRICS.forEach((metric, index) => {
        const values = models.names
                .map(name => models.latest.get(name))
                .map(it => (it ? metric.value(it) || 0 : 0)),
            most = Math.max(...values, 0);
        list(
            $('model-grid').children[index].children[2],
            models.names,
            () => make('div', {}, make('dt'), make('dd', {}, make('span', {class: 'bar'})), make('dd')),
            (row, name, at) => {
                const it = models.latest.get(name),
                    [term, box, figure] = row.children;
                /* Of a scale of decades the longest bar is three of them. */
                const part =
                    values[at] <= 0 || most <= 0
                        ? 0
                        : metric.isLog
                          ? Math.max(0.02, 1 + Math.log10(values[at] / most) / 3)
                          : Math.max(0.01, values[at] / most);
                set(row, 'class', name === models.running ? 'running' : null);
                put(term, MODEL_NAMES[name] || name);
                box.firstChild.style.width = part * 100 + '%';
                put(figure, it ? metric.text(it) : '–');
            }
        );
    });
    const isRunning = models.running !== null;
    $('models-stop').disabled = !isRunning;
    put($('models-text'), isRunning ? 'running: ' + (MODEL_NAMES[models.running] || models.running) : '');
}

on('hello', makeModels);
on('model', it => {
    if (!models.names.includes(it.model)) models.names.push(it.model);
    if (it.done_per_s !== undefined && !(it.end && !it.done_per_s && models.latest.has(it.model)))
        models.latest.set(it.model, it);
    models.running = it.end ? null : it.model;
    showModels();
});
$('models-form').onsubmit = async event => {
    event.preventDefault();
    models.latest.clear();
    showModels();
    if (await act('models', {on: 1, clients: $('models-clients').value || 100}))
        put($('models-text'), 'starting …');
};
$('models-stop').onclick = async () => {
    if (await act('models', {on: 0})) models.running = null;
    showModels();
};
