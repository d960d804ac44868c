/* slow.js: slow motion, which plays what was recorded, and the held loop, which really stands still. */

const RECORD_MS = 1000; /* so long the loop is recorded for slow motion, */
const RECORDED_ENOUGH = 8000; /* or until there are so many records */

const slow = {at: 0, isPlaying: false, isRecording: false, timer: 0, stop: 0, pace: 4};

/* How many records there is room for. */
const windowSize = () => Math.max(24, Math.min(72, Math.round($('tape').parentElement.clientWidth / 16)));

function setMode(mode) {
    if (view.mode === mode) return;
    const before = view.mode;
    view.mode = mode;
    for (const name of ['live', 'slow', 'held']) set($('mode-' + name), 'aria-pressed', name === mode);
    $('slow').hidden = mode === 'live';
    document.body.classList.toggle('stepping', mode !== 'live');
    drawCharts(); /* they have another size now */
    for (const part of document.querySelectorAll('#slow-controls [data-mode]'))
        part.hidden = part.dataset.mode !== mode;
    setPlaying(false);
    if (before === 'held') act('hold', {on: 0});
    if (before === 'slow') stopRecording();
    put($('slow-title'), mode === 'held' ? 'The loop is held' : 'Slow motion');
    if (mode === 'slow') beginSlow();
    if (mode === 'held') beginHeld();
    if (mode === 'live' && view.state) drawLive({...view.state, held: null});
}

function beginSlow() {
    if (view.recorded) {
        slow.at = view.recordAt ? view.recordAt() : 0;
        setPlaying(!isCalm.matches);
        return showRecord();
    }
    recordAgain();
}

async function recordAgain() {
    clearRecords();
    slow.at = 0;
    setPlaying(false);
    slow.isRecording = true;
    showRecord();
    clearTimeout(slow.stop);
    slow.stop = setTimeout(stopRecording, RECORD_MS);
    if (!(await act('record', {on: 1}))) stopRecording();
    setPlaying(!isCalm.matches);
}
function stopRecording() {
    clearTimeout(slow.stop);
    if (!slow.isRecording) return;
    slow.isRecording = false;
    act('record', {on: 0});
    if (view.mode === 'slow') showRecord();
}

async function beginHeld() {
    clearRecords();
    slow.at = 0;
    showRecord();
    if (!(await act('hold', {on: 1})) && view.mode === 'held') setMode('live');
}

function setPlaying(isPlaying) {
    slow.isPlaying = isPlaying;
    put($('slow-play'), isPlaying ? 'Pause' : 'Play');
    clearTimeout(slow.timer);
    if (isPlaying) slow.timer = setTimeout(playOne, 1000 / slow.pace);
}
/* A fast pace moves several records at a time: the page is drawn 20 times a second at most. */
function playOne() {
    const many = Math.max(1, Math.round(slow.pace / 20));
    const to = Math.min(records.all.length - 1, slow.at + many);
    if (to > slow.at) {
        slow.at = to;
        showRecord();
    } else if (!slow.isRecording && records.all.length > 0) {
        return setPlaying(false);
    }
    slow.timer = setTimeout(playOne, Math.max(50, 1000 / slow.pace));
}

function stepTo(text) {
    const direction = text[0] === '-' ? -1 : 1;
    setPlaying(false);
    slow.at = nextPlace(slow.at, direction, text.slice(1));
    showRecord();
}
function stepHeld(what) {
    slow.at = Math.max(0, records.all.length - 1);
    act('step', {what});
}

function showRecord() {
    if (view.mode === 'live') return;
    slow.at = Math.max(0, Math.min(slow.at, records.all.length - 1));
    const record = records.all[slow.at],
        all = records.all;
    showWhy();
    if (!record) {
        put(
            $('record-text'),
            view.mode === 'held'
                ? 'The loop stops at the next boundary …'
                : slow.isRecording
                  ? 'Recording …'
                  : 'Nothing was recorded.'
        );
        $('chain').textContent = '';
        drawTape($('tape'), [], 0, new Set(), null);
        return drawStep(0, '', view.mode === 'held' ? 'held' : '…', '', '');
    }
    const size = windowSize(),
        from = Math.max(0, Math.min(slow.at - Math.floor(size / 2), all.length - size));
    const chain = causesOf(slow.at),
        turn = turnPlace(slow.at);
    drawTape(
        $('tape'),
        all.slice(from, from + size),
        record.number,
        new Set(chain.map(it => all[it].number)),
        index => {
            setPlaying(false);
            slow.at = from + index;
            showRecord();
        }
    );
    showText(record, turn);
    showChain(chain);
    drawStep(
        record.thread === 0 ? record.phase : 0,
        turn >= 0 ? 'turn ' + count(all[turn].argument) : '',
        record.thread === 0 ? (record.phase > 0 ? PHASES[record.phase][0] : 'outside') : 'pool',
        cut(record.kind, 22),
        cut(record.label, 24)
    );
}

function showText(record, turn) {
    const text = $('record-text'),
        since = turn >= 0 ? duration(record.time - records.all[turn].time) + ' into the turn' : '';
    text.textContent = '';
    text.append(
        make('b', {}, sentence(record)),
        make(
            'span',
            {class: 'dim'},
            ' ' +
                [
                    place(record),
                    since,
                    'record ' + count(record.number),
                    count(slow.at + 1) + ' of ' + count(records.all.length)
                ]
                    .filter(it => it)
                    .join(' · ')
        )
    );
}

function showChain(chain) {
    list(
        $('chain'),
        chain.length > 1 ? chain : [],
        () => make('li', {}, make('button', {type: 'button'})),
        (item, at) => {
            const record = records.all[at],
                button = item.firstChild;
            put(button, sentence(record));
            set(button, 'aria-current', at === slow.at ? 'step' : null);
            button.style.borderLeftColor = record.thread === 0 ? `var(--p${record.phase})` : 'var(--thread)';
            button.onclick = () => {
                setPlaying(false);
                slow.at = at;
                showRecord();
            };
        }
    );
}

function whyHeld(held) {
    if (!held) return 'The loop stops at the next record …';
    const where = held.phase ? ', in phase ' + phaseName(held.phase) : '';
    return 'The loop stands still before ' + (held.what || 'what comes next') + where + '. Its clients wait.';
}
function whySlow() {
    const many = count(records.all.length) + ' records';
    if (slow.isRecording) return 'The loop is being recorded: ' + many + ' so far.';
    const lost = records.lost > 0 ? '; ' + count(records.lost) + ' came too fast and are missing' : '';
    return (
        many +
        ' of what the loop did, one after another' +
        lost +
        (view.recorded ? '.' : '. The loop itself runs on.')
    );
}
function showWhy() {
    put($('slow-why'), view.mode === 'held' ? whyHeld(view.state && view.state.held) : whySlow());
}

function onRecords(message) {
    if (view.recorded || (view.mode !== 'held' && !slow.isRecording)) return;
    /* What was lost before the first is not missing. */
    if (records.all.length > 0) records.lost += message.lost || 0;
    const gone = addRecords(message.records || [], RECORDS_MAX);
    slow.at = Math.max(0, slow.at - gone);
    if (view.mode === 'held') slow.at = records.all.length - 1;
    else if (records.all.length >= RECORDED_ENOUGH) stopRecording();
    showRecord();
}

function setPace() {
    slow.pace = 10 ** Number($('pace').value);
    put(
        $('pace-text'),
        slow.pace >= 1
            ? several(Math.round(slow.pace), 'record/s', 'records/s')
            : '1 record in ' + digits(1 / slow.pace, 2) + ' s'
    );
}

/* Keys of the page: not while something that has keys of its own has the focus. */
function onKey(event) {
    if (view.mode === 'live' || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target,
        isForm = target.closest('input, select, textarea, #ruler');
    if (isForm || (event.key === ' ' && target.closest('button, a, summary, [role=button]'))) return;
    const isHeld = view.mode === 'held';
    if (event.key === ' ') isHeld ? stepHeld('phase') : setPlaying(!slow.isPlaying);
    else if (event.key === 'ArrowRight')
        isHeld ? stepHeld(event.shiftKey ? 'turn' : 'call') : stepTo(event.shiftKey ? '+turn' : '+record');
    else if (event.key === 'ArrowLeft') stepTo(event.shiftKey ? '-turn' : '-record');
    else return;
    event.preventDefault();
}

function makeSlow() {
    for (const name of ['live', 'slow', 'held'])
        $('mode-' + name).onclick = () => {
            setMode(name);
            /* So that the next press of space is one of the player's. */
            if (view.mode === 'slow') $('slow-play').focus({preventScroll: true});
            if (view.mode === 'held') document.querySelector('[data-held]').focus({preventScroll: true});
        };
    for (const button of document.querySelectorAll('[data-step]'))
        button.onclick = () => stepTo(button.dataset.step);
    for (const button of document.querySelectorAll('[data-held]'))
        button.onclick = () => stepHeld(button.dataset.held);
    $('slow-play').onclick = () => {
        if (slow.at >= records.all.length - 1) slow.at = 0;
        setPlaying(!slow.isPlaying);
    };
    $('slow-again').onclick = recordAgain;
    $('held-go').onclick = () => {
        setMode('live');
        $('mode-held').focus();
    };
    $('pace').oninput = setPace;
    setPace();
    addEventListener('keydown', onKey);
    addEventListener('resize', showRecord);
}

on('records', onRecords);
on('state', state => {
    if (view.mode === 'held' && !state.held && state.held !== undefined && slow.wasHeld)
        setMode('live'); /* somebody else let it go */
    slow.wasHeld = Boolean(state.held);
    if (view.mode === 'held') showWhy();
    set($('mode-held'), 'class', state.held && view.mode !== 'held' ? 'elsewhere' : null);
});
