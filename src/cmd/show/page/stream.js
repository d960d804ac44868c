/* stream.js: what the server tells, as events or as a recording, and the start of the page. Last of the
 * files: it uses all the others. */

const EVENTS = ['hello', 'state', 'records', 'stall', 'model', 'said'];
const RETRY_MS = [500, 1000, 2000, 4000],
    HIDDEN_MS = 20000,
    SILENT_MS = 5000;
const stream = {source: null, retries: 0, timer: 0, silent: 0, hidden: 0, wasConnected: false};

function setConnection(kind, text) {
    set($('connection'), 'class', kind);
    put($('connection'), text);
}

function receive(event, data) {
    if (event === 'hello') {
        view.hello = data;
        view.recorded = Boolean(data.recorded);
        put(
            $('version'),
            `eddy ${data.version || ''} · ${several(data.processors || 1, 'processor', 'processors')}`
        );
        if (view.mode === 'held') setMode('live'); /* it is another server, and holds nothing */
    }
    if (event === 'state') view.state = data;
    tell(event, data);
}

function connect() {
    clearTimeout(stream.timer);
    const source = (stream.source = new EventSource('/events'));
    for (const event of EVENTS)
        source.addEventListener(event, message => {
            clearTimeout(stream.silent);
            stream.silent = setTimeout(() => lose('the server is silent'), SILENT_MS);
            let data;
            try {
                data = JSON.parse(message.data);
            } catch {
                return addLine('A message of the server could not be read: ' + event, null, true);
            }
            if (event === 'hello') {
                if (stream.wasConnected && stream.retries > 0) addLine('The server is back.');
                stream.wasConnected = true;
                stream.retries = 0;
                setConnection('up', 'live');
                document.body.classList.remove('stale');
                if (data.recorded) playServed();
            }
            if (!player.messages) receive(event, data);
        });
    source.onerror = () => lose(stream.wasConnected ? 'the server went away' : 'no server answers');
}
/* The browser's own way of trying again ends for good after some answers. */
function lose(why) {
    clearTimeout(stream.silent);
    clearTimeout(stream.timer);
    stream.source.close();
    const delay = RETRY_MS[Math.min(stream.retries, RETRY_MS.length - 1)];
    if (stream.retries++ === 0 && stream.wasConnected)
        addLine(why[0].toUpperCase() + why.slice(1) + '; trying again.', null, true);
    setConnection('down', why + '; trying again');
    document.body.classList.add('stale');
    if (!document.hidden) stream.timer = setTimeout(connect, delay);
}

/* A page that nobody sees takes no events: a browser has few connections for a server. */
function onVisibility() {
    clearTimeout(stream.hidden);
    if (document.hidden) {
        stream.hidden = setTimeout(() => {
            stream.source.close();
            clearTimeout(stream.silent);
            clearTimeout(stream.timer);
            setConnection('down', 'paused while hidden');
        }, HIDDEN_MS);
    } else if (stream.source.readyState === EventSource.CLOSED) {
        connect();
    }
}

/* --- A recording --- */

const player = {messages: null, at: 0, next: 0, end: 0, isPlaying: false, timer: 0, last: 0, batches: []};

/* One object a line, or an array of them. */
function readRecording(text) {
    let messages;
    try {
        messages = JSON.parse(text);
        if (!Array.isArray(messages)) messages = [messages];
    } catch {
        messages = text
            .split('\n')
            .filter(line => line.trim())
            .map(line => JSON.parse(line));
    }
    return messages.filter(it => it && EVENTS.concat('costs', 'way').includes(it.event));
}

async function playServed() {
    try {
        startPlayer(readRecording(await (await ask('/record')).text()));
        stream.source.close();
        clearTimeout(stream.silent);
        document.removeEventListener('visibilitychange', onVisibility);
    } catch {
        setConnection('up', 'recorded');
    }
}

function startPlayer(messages) {
    const hello = messages.find(it => it.event === 'hello') || {data: {}};
    player.messages = messages.filter(it => it.event !== 'hello');
    player.end = player.messages.reduce((end, it) => Math.max(end, it.at_ms || 0), 0);
    view.now = () => player.at;
    view.recordAt = () => {
        const batch = player.batches.find(it => it.at >= player.at) || player.batches[0];
        return batch ? Math.max(0, placeOf(batch.first)) : 0;
    };
    receive('hello', {...hello.data, recorded: true});
    for (const it of player.messages) {
        if (it.event === 'costs') view.costs = it.data;
        if (it.event === 'way') view.way = it.data;
        if (it.event !== 'records' || !(it.data.records || []).length) continue;
        player.batches.push({at: it.at_ms, first: it.data.records[0][0]});
        addRecords(it.data.records, 200000);
    }
    setConnection('up', 'recorded session');
    document.body.classList.add('recorded');
    put($('mode-live'), 'As it was');
    $('mode-held').hidden = true;
    $('mode-slow').hidden = records.all.length === 0;
    $('slow-again').hidden = true;
    for (const input of document.querySelectorAll(
        '#load-form input, #load-form button, #models-form input, #models-form button, #scene-list button'
    ))
        input.disabled = true;
    $('player').hidden = false;
    $('player-at').max = player.end;
    $('player-play').onclick = () => runPlayer(!player.isPlaying);
    $('player-at').oninput = event => seek(Number(event.target.value));
    seek(Math.min(player.end, 1000));
    runPlayer(!isCalm.matches);
}

function showPlayer() {
    $('player-at').value = player.at;
    set($('player-at'), 'aria-valuetext', duration(player.at * 1e6));
    put($('player-time'), `${(player.at / 1000).toFixed(1)} of ${(player.end / 1000).toFixed(1)} s`);
    put($('player-play'), player.isPlaying ? 'Pause' : 'Play');
}
function runPlayer(isPlaying) {
    player.isPlaying = isPlaying;
    clearInterval(player.timer);
    if (isPlaying && player.at >= player.end) seek(0);
    player.last = performance.now();
    if (isPlaying) player.timer = setInterval(playMore, 50);
    showPlayer();
}
function playMore() {
    const now = performance.now();
    player.at = Math.min(
        player.end,
        player.at + Math.min(500, now - player.last) * Number($('player-speed').value)
    );
    player.last = now;
    deliver();
    if (player.at >= player.end) runPlayer(false);
    showPlayer();
}
function deliver() {
    while (player.next < player.messages.length && player.messages[player.next].at_ms <= player.at) {
        const message = player.messages[player.next++];
        if (EVENTS.includes(message.event)) receive(message.event, message.data);
    }
}
/* The minute before is told again, so that the charts are what they were. */
function seek(to) {
    for (const chart of [latencyChart, lateChart]) chart.points = [];
    $('log').textContent = '';
    player.next = player.messages.findIndex(it => it.at_ms >= to - SECONDS * 1000);
    if (player.next < 0) player.next = player.messages.length;
    view.isSeeking = true;
    while (player.next < player.messages.length && player.messages[player.next].at_ms <= to) {
        player.at = player.messages[player.next].at_ms;
        player.next++;
        const message = player.messages[player.next - 1];
        if (EVENTS.includes(message.event)) receive(message.event, message.data);
    }
    view.isSeeking = false;
    player.at = to;
    if (view.state) {
        for (const chart of [latencyChart, lateChart]) chart.points.pop(); /* it comes again */
        tell('state', view.state);
    }
    showPlayer();
}

/* --- The start --- */

readColors();
makeCircle();
makeSlow();
makeLoad();
makeRuler();
drawCharts();
const embedded = $('recorded');
if (embedded) {
    startPlayer(readRecording(embedded.textContent));
} else {
    document.addEventListener('visibilitychange', onVisibility);
    connect();
}
