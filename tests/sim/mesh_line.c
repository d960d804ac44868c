/* mesh_line.c: what goes to and fro on a line, and when it may come to a bad end.
 * Invariants: what has arrived is what was sent, from the first byte on and without a gap; in fair
 * weather all of it arrives, unless an end had an excuse. */
#include "mesh.h"

struct line *line_new(uint64_t length, struct house *target) {
    unsigned place = 0;
    while (mesh.lines[place] != NULL) place++;
    struct line *line = ledger_new("line", sizeof *line);
    line->id = mesh.id = (mesh.id + 1) & 0xffff;
    line->length = length < 2 ? 2 : length;
    line->target = target;
    line->ends = 1;
    mesh.lines[place] = line;
    mesh.lines_open++;
    sim_note("line %u: %llu bytes", line->id, (unsigned long long)line->length);
    return line;
}

struct line *line_get(unsigned id) {
    for (unsigned i = 0; i < LINES_MAX; i++)
        if (mesh.lines[i] != NULL && mesh.lines[i]->id == id) return mesh.lines[i];
    return NULL;
}

void line_leave(struct line *line) {
    if (line == NULL || --line->ends > 0) return;
    unsigned place = 0;
    while (mesh.lines[place] != line) place++;
    mesh.lines[place] = NULL;
    mesh.lines_open--;
    ledger_free(line);
}

static uint8_t byte_at(const struct line *line, uint64_t at) {
    if (at < 2) return (uint8_t)(line->id >> 8 * at);
    return (
        uint8_t)((at * UINT64_C(0x9e3779b97f4a7c15) + line->id * UINT64_C(0xbf58476d1ce4e5b9)) >>
                 52);
}

void line_fill(const struct line *line, uint64_t at, uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) data[i] = byte_at(line, at + i);
}

void line_check(const struct line *line, uint64_t *at, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        sim_check(data[i] == byte_at(line, *at + i), "line %u: byte %llu is not what was sent",
                  line->id, (unsigned long long)(*at + i));
    *at += size;
    sim_check(*at <= line->sent, "line %u: %llu bytes have arrived of %llu that were sent",
              line->id, (unsigned long long)*at, (unsigned long long)line->sent);
}

void line_excuse(struct line *line) {
    mesh.excused++;
    if (line != NULL) line->is_excused = true;
}

static bool may_fail(const struct line *line) {
    if (!ledger_is_fair()) return true;
    if (line == NULL) return mesh.excused > 0;
    return line->is_excused || (line->seen == 0 && line->target != NULL && line->target->is_rude);
}

void line_fails(struct line *line, const char *what, int error) {
    sim_note("line %u: %s %s", line != NULL ? line->id : 0, what, sim_result(error));
    if (error == -EMFILE && mesh.is_short) line_excuse(line);
    sim_check(may_fail(line), "line %u: %s gives %d without an excuse", line != NULL ? line->id : 0,
              what, error);
    line_excuse(line);
}

void line_ended_at_echo(struct line *line) {
    if (may_fail(line)) return;
    sim_check(line->seen == line->length, "line %u: the echo has seen %llu bytes of %llu", line->id,
              (unsigned long long)line->seen, (unsigned long long)line->length);
}

void line_ended_at_caller(struct line *line) {
    if (may_fail(line)) return;
    sim_check(line->heard == line->length, "line %u: the caller hears %llu bytes of %llu", line->id,
              (unsigned long long)line->heard, (unsigned long long)line->length);
}
