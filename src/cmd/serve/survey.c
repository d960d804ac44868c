/* survey.c: see survey.h.
 *
 *     scan ---> names ---> lstat each, some at a time ---> done
 *                            | a symbolic link
 *                            +--> open ---> stat ---> close: what it leads to
 *
 * Invariant: `busy` slots have a request in flight. look_on() alone ends the survey, when none is,
 * and is the last thing that a callback does.
 * Threading: the loop's. */
#include "survey.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "listing_page.h"
#include "system.h"

enum {
    SCAN_BYTES = 16 * 1024,
    SLOTS = 8, /* entries looked at together: a few more than the pool has threads */
};

/* What a link leads to is only looked at: to open a FIFO for reading lets its writer go on, who is
 * ended by SIGPIPE when it is closed; and it takes no permission to read. A system without O_PATH
 * follows links only if it is told to, and asks for the kind by name. */
#ifdef O_PATH
enum { LOOK_FLAGS = O_PATH, LOOK_HOW = 0 };
#else
enum { LOOK_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY, LOOK_HOW = EDDY_FILES_ONLY };
#endif

struct slot {
    eddy_file file;
    eddy_stat stat;
    struct survey *survey;
    struct listing_entry *entry; /* that is being looked at, or NULL */
    int fd;                      /* of what a symbolic link leads to, or -1 */
    char path[PATH_BYTES + 1 + LISTING_NAME_BYTES + 1];
};

struct survey {
    struct exchange *exchange;
    struct entries *entries;
    survey_fn *done;
    eddy_file scan;
    struct entry_cursor cursor; /* at the next entry to look at */
    unsigned busy;
    int error;
    struct slot slots[SLOTS];
    char buffer[SCAN_BYTES];
};

static eddy_loop *loop_of(const struct survey *survey) {
    return survey->exchange->context->loop;
}

/* --- The entries --- */

static void on_looked_at(eddy_file *file);
static void on_link_opened(eddy_file *file);

/* Counts what a call has launched for the slot. False: it has not. */
static bool slot_launched(struct slot *slot, int err) {
    if (err < 0) return false;
    slot->survey->busy++;
    exchange_launched(slot->survey->exchange);
    return true;
}

static bool slot_landed(struct slot *slot) {
    slot->survey->busy--;
    return exchange_landed(slot->survey->exchange);
}

static void look_at_next(struct survey *survey, struct slot *slot) {
    slot->entry = entries_next(survey->entries, &survey->cursor);
    slot->fd = -1;
    if (slot->entry == NULL) return;
    int err = eddy_file_lstat(loop_of(survey), &slot->file, survey->exchange->opened.fd,
                              slot->entry->name, &slot->stat, on_looked_at);
    if (slot_launched(slot, err)) return;
    slot->entry = NULL;
    survey->error = err; /* the pool takes nothing: a page of what was seen would be a lie */
}

/* Has free slots look at the next entries. When none is left and all have been looked at, that was
 * all, and the survey may be gone. */
static void look_on(struct survey *survey) {
    for (unsigned i = 0; i < SLOTS && survey->error == 0; i++) {
        struct slot *slot = &survey->slots[i];
        if (slot->entry == NULL) look_at_next(survey, slot);
    }
    if (survey->busy == 0) survey->done(survey->exchange, survey->error);
}

static bool follow_link(struct slot *slot) {
    struct exchange *exchange = slot->survey->exchange;
    struct text text = {slot->path, sizeof slot->path - 1, 0};
    text_put(&text, exchange->path, exchange->path_length);
    if (exchange->path_length > 0) text_put_literal(&text, "/");
    text_put(&text, slot->entry->name, slot->entry->name_length);
    slot->path[text.length] = '\0'; /* there is room for any path and any name */
    const struct context *context = exchange->context;
    unsigned how = context_beneath(context) | LOOK_HOW;
    return slot_launched(slot, eddy_file_open(context->loop, &slot->file, context->root, slot->path,
                                              LOOK_FLAGS, 0, how, on_link_opened));
}

static bool look_at_target(struct slot *slot) {
    if (slot->fd < 0) return false;
    return slot_launched(slot, eddy_file_fstat(loop_of(slot->survey), &slot->file, slot->fd,
                                               &slot->stat, on_looked_at));
}

static void close_target(struct slot *slot) {
    if (slot->fd >= 0) system_close(slot->fd);
    slot->fd = -1;
}

static void on_link_opened(eddy_file *file) {
    struct slot *slot = eddy_container_of(file, struct slot, file);
    struct survey *survey = slot->survey;
    slot->fd = file->result < 0 ? -1 : (int)file->result;
    bool goes_on = survey->exchange->is_gone ? false : look_at_target(slot);
    if (!goes_on) {
        close_target(slot);
        slot->entry = NULL;
    }
    if (slot_landed(slot) && !goes_on) look_on(survey);
}

static void on_looked_at(eddy_file *file) {
    struct slot *slot = eddy_container_of(file, struct slot, file);
    struct survey *survey = slot->survey;
    struct listing_entry *entry = slot->entry;
    uint32_t mode = slot->stat.mode;
    bool is_target = slot->fd >= 0, goes_on = false;
    close_target(slot);
    if (file->result == 0 && (S_ISREG(mode) || S_ISDIR(mode))) {
        entry->is_known = true;
        entry->is_directory = S_ISDIR(mode);
        entry->size = slot->stat.size;
        entry->modified_s = slot->stat.modify_s;
    } else if (file->result == 0 && S_ISLNK(mode) && !is_target && !survey->exchange->is_gone) {
        goes_on = follow_link(slot);
    }
    if (!goes_on) slot->entry = NULL;
    if (slot_landed(slot) && !goes_on) look_on(survey);
}

/* --- The names --- */

static int add_names(struct survey *survey, size_t used) {
    const struct policy *policy = survey->exchange->context->policy;
    eddy_entry entry;
    size_t position = 0;
    while (eddy_scan_next(survey->buffer, used, &position, &entry)) {
        if (entry.kind == EDDY_ENTRY_OTHER || policy_hides_name(policy, entry.name)) continue;
        int err = entries_add(survey->entries, entry.name);
        if (err < 0) return err;
    }
    return 0;
}

static void on_scanned(eddy_file *file) {
    struct survey *survey = eddy_container_of(file, struct survey, scan);
    int64_t used = file->result;
    if (!exchange_landed(survey->exchange)) return;
    int err = used < 0 ? (int)used : add_names(survey, (size_t)used);
    bool is_all = used == 0 || survey->entries->is_partial;
    if (err == 0 && !is_all) err = survey_begin(survey);
    if (err < 0)
        survey->done(survey->exchange, err);
    else if (is_all)
        look_on(survey);
}

int survey_begin(struct survey *survey) {
    int err = eddy_file_scan(loop_of(survey), &survey->scan, survey->exchange->opened.fd,
                             survey->buffer, sizeof survey->buffer, on_scanned);
    if (err == 0) exchange_launched(survey->exchange);
    return err;
}

struct survey *survey_open(struct exchange *exchange, struct entries *entries, survey_fn *done) {
    struct survey *survey = system_resize(NULL, sizeof *survey);
    if (survey == NULL) return NULL;
    memset(survey, 0, offsetof(struct survey, slots));
    survey->exchange = exchange;
    survey->entries = entries;
    survey->done = done;
    for (unsigned i = 0; i < SLOTS; i++) {
        survey->slots[i].survey = survey;
        survey->slots[i].entry = NULL;
    }
    return survey;
}

void survey_free(struct survey *survey) {
    system_free(survey);
}
