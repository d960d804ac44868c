/* way.js: the way of one request: its records as a tape, and in words with each system call. */

let way = null;

async function getWay() {
    put($('way-text'), 'Looking for one …');
    try {
        const answer = view.way || (view.recorded ? null : await (await ask('/way')).json());
        if (!answer || !(answer.records || []).length)
            throw new Error(
                view.recorded
                    ? 'a recorded session has none'
                    : 'no request was recorded yet: put the loop under load first'
            );
        way = {records: answer.records.slice(0, 400).map(recordOf), calls: (answer.calls || []).slice(0, 400)};
        way.records.sort((a, b) => a.time - b.time);
        const took = duration(way.records[way.records.length - 1].time - way.records[0].time);
        const calls = several(way.calls.length, 'system call', 'system calls');
        put($('way-text'), took + ' from the first record to the last, ' + calls);
    } catch (error) {
        put($('way-text'), 'None: ' + error.message);
        return;
    }
    showWay();
}

function showWay() {
    if (!way) return;
    $('way-tape').removeAttribute('hidden');
    $('way-box').hidden = false;
    drawTape($('way-tape'), way.records, 0, new Set(way.records.map(record => record.number)), index => {
        const row = $('way-rows').querySelector(`[data-number="${way.records[index].number}"]`);
        if (row) row.scrollIntoView({block: 'center', behavior: isCalm.matches ? 'auto' : 'smooth'});
    });
    showRows();
}

function phaseMark(record) {
    const isLoop = record.thread === 0;
    const phase = isLoop ? record.phase : 'thread';
    const name = isLoop ? PHASES[record.phase][0] : 'thread ' + record.thread;
    return make('span', {class: 'phase-mark', 'data-phase': phase}, name);
}

/* A record and a system call that it stands for, or one of both. */
function wayRow(record, call) {
    const text = [record && sentence(record), call && call.name].filter(it => it).join(': ');
    return make(
        'tr',
        {'data-number': record && record.number},
        make('td', {}, record ? duration(record.time - way.records[0].time) : ''),
        make('td', {}, record ? phaseMark(record) : ''),
        make('td', {}, text),
        make('td', {}, call ? String(call.result) : ''),
        make('td', {}, (call && sourceLink(call.source)) || '')
    );
}

/* Each record with the first of its calls, the others below; at the end those that name no record. */
function showRows() {
    const body = $('way-rows');
    const calls = new Map();
    for (const call of way.calls) {
        const number = way.records.some(it => it.number === call.record) ? call.record : 0;
        calls.set(number, [...(calls.get(number) || []), call]);
    }
    body.textContent = '';
    for (const record of way.records) {
        const [first, ...others] = calls.get(record.number) || [null];
        body.append(wayRow(record, first), ...others.map(call => wayRow(null, call)));
    }
    body.append(...(calls.get(0) || []).map(call => wayRow(null, call)));
}

$('way-get').onclick = getWay;
addEventListener('resize', showWay);
