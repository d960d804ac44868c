/* way.js: the way of one request: its records as a tape, and in words with each system call. */

let way = null;

async function getWay() {
    put($('way-text'), 'Looking for one …');
    try {
        const answer = view.way || (view.recorded ? null : await (await ask('/way')).json());
        if (!answer || !(answer.records || []).length) throw new Error(view.recorded ? 'a recorded session has none' : 'no request was recorded yet: put the loop under load first');
        way = {records: answer.records.slice(0, 400).map(recordOf), calls: (answer.calls || []).slice(0, 400)};
        way.records.sort((a, b) => a.time - b.time);
        put($('way-text'), `${duration(way.records[way.records.length - 1].time - way.records[0].time)} from the first record to the last, ${several(way.calls.length, 'system call', 'system calls')}`);
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
    const body = $('way-rows'), calls = new Map(), others = [];
    for (const call of way.calls) {
        if (!call.record) others.push(call);
        else calls.set(call.record, [...(calls.get(call.record) || []), call]);
    }
    const row = (record, text, call, isFirst) => make('tr', {'data-number': isFirst && record ? record.number : null},
        make('td', {}, record && isFirst ? duration(record.time - way.records[0].time) : ''),
        make('td', {style: null}, record && isFirst ? make('span', {class: 'phase-mark', 'data-phase': record.thread === 0 ? record.phase : 'thread'}, record.thread === 0 ? PHASES[record.phase][0] : 'thread ' + record.thread) : ''),
        make('td', {}, text), make('td', {}, call ? String(call.result) : ''), make('td', {}, call ? sourceLink(call.source) || '' : ''));
    body.textContent = '';
    for (const record of way.records) {
        const own = calls.get(record.number) || [null];
        own.forEach((call, index) => body.append(row(record, index === 0 ? sentence(record) + (call ? ': ' + call.name : '') : call.name, call, index === 0)));
    }
    for (const call of others) body.append(row(null, call.name, call, false));
}

$('way-get').onclick = getWay;
addEventListener('resize', showWay);
