/* requests.c: jobs of the pool, some of them cancelled before they are handed over, and reads of a
 * file with each of its ways; turned until they are done. */
#include "script.h"

#include <stdio.h>
#include <string.h>

enum { JOBS = 6, READS = 6, TURNS_MAX = 100000 };

struct job {
    struct thing thing;
    eddy_work work;
    unsigned number, result;
};

struct reading {
    struct thing thing;
    eddy_file file;
    char data[300];
};

static struct job jobs[JOBS];
static struct reading readings[READS];
static unsigned left;

static void do_job(eddy_work *work) {
    struct job *job = eddy_container_of(work, struct job, work);
    job->result = job->number * job->number;
}

static void on_done(eddy_work *work, int status) {
    struct job *job = eddy_container_of(work, struct job, work);
    thing_note(&job->thing, " done:%d result %u", status, job->result);
    left--;
}

static void on_read(eddy_file *file) {
    struct reading *it = eddy_container_of(file, struct reading, file);
    unsigned total = 0;
    for (int64_t i = 0; i < file->result; i++) total += (unsigned char)it->data[i];
    thing_note(&it->thing, " %lld bytes, %u", (long long)file->result, total);
    left--;
}

static void start_job(struct script *script, unsigned i) {
    struct job *job = &jobs[i];
    memset(job, 0, sizeof *job);
    thing_begin(&job->thing, "job", i);
    job->number = i;
    eddy_lane lane = (eddy_lane)random_of(&script->random, EDDY_LANES);
    int err = eddy_work_submit(script->loop, &job->work, lane, do_job, on_done);
    if (err < 0) script_fail("submit", err);
    left++;
    if (random_of(&script->random, 3) == 0)
        thing_note(&job->thing, " cancel:%d", eddy_work_cancel(&job->work));
}

static void start_reading(struct script *script, unsigned i, int fd) {
    struct reading *it = &readings[i];
    memset(it, 0, sizeof *it);
    thing_begin(&it->thing, "reading", i);
    int64_t offset = random_of(&script->random, WORLD_FILE_BYTES + 100);
    size_t size = random_of(&script->random, sizeof it->data);
    thing_note(&it->thing, " %zu at %lld:", size, (long long)offset);
    int err = eddy_file_read(script->loop, &it->file, fd, it->data, size, offset, on_read);
    thing_note(&it->thing, "%d", err);
    if (err < 0) return;
    left++;
    if (random_of(&script->random, 4) == 0)
        thing_note(&it->thing, " cancel:%d", eddy_file_cancel(&it->file));
}

static void finish(struct script *script) {
    for (unsigned i = 0; left > 0; i++) {
        int result = eddy_loop_run(script->loop, EDDY_RUN_ONCE);
        if (result < 0) script_fail("a turn", result);
        if (i == TURNS_MAX) script_fail("requests never end", -1);
    }
}

void requests_run(struct script *script) {
    int fd = world_file();
    left = 0;
    for (unsigned i = 0; i < JOBS; i++) start_job(script, i);
    finish(script);
    eddy_file_set_attempt(script->loop, random_of(&script->random, 2) == 0);
    for (unsigned i = 0; i < READS; i++) start_reading(script, i, fd);
    finish(script);
    eddy_file_set_attempt(script->loop, true);
    world_close(fd);
    for (unsigned i = 0; i < JOBS; i++) printf("job %u:%s\n", i, jobs[i].thing.trace);
    for (unsigned i = 0; i < READS; i++) printf("reading %u:%s\n", i, readings[i].thing.trace);
}
