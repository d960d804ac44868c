/* listing.c: reads a directory and has its page made.
 *
 *     scan ---> names ---> lstat each, some at a time ---> make the page, on a thread
 *                            | a symbolic link
 *                            +--> open ---> stat ---> close: what it leads to
 *
 * The page shows what its links lead to: files and directories beneath the root. A symbolic link is
 * opened as a request for it would open it, so that one which leads out of the root, or nowhere,
 * is left out and tells nothing about what lies there; so are FIFOs, devices and sockets, and names
 * that the policy hides.
 * Invariant: while `busy` is not 0, `entries` does not move.
 * Threading: the loop's; make_page() on a thread of the pool, while the loop keeps off. */
#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "listing_page.h"
#include "system.h"

enum {
    ENTRIES_MAX = 10000, /* a longer page is no page for a person; the rest is left out */
    SCAN_BYTES = 16 * 1024,
    SLOTS = 8, /* entries looked at together: a few more than the pool has threads */
    NAME_BYTES = 256,
};

struct slot {
    eddy_file file;
    eddy_stat stat;
    struct listing *listing;
    struct listing_entry *entry;
    int fd; /* of what a symbolic link leads to */
    char path[PATH_BYTES + 1 + NAME_BYTES];
};

struct listing {
    struct exchange *exchange;
    eddy_file scan;
    eddy_work work;
    struct listing_entry *entries;
    size_t count, room;
    size_t next;      /* entry to look at */
    unsigned busy;    /* slots */
    struct page page; /* exchange->page */
    struct slot slots[SLOTS];
    char buffer[SCAN_BYTES];
};

static void free_listing(struct page *page) {
    struct listing *listing = eddy_container_of(page, struct listing, page);
    for (size_t i = 0; i < listing->count; i++)
        system_free((void *)(uintptr_t)listing->entries[i].name);
    system_free(listing->entries);
    system_free(page->text);
    system_free(listing);
}

/* --- The page --- */

static size_t put_page(struct text *text, const struct listing *listing) {
    listing_page_put_begin(text, listing->exchange->path, listing->exchange->path_length);
    for (size_t i = 0; i < listing->count; i++) listing_page_put_row(text, &listing->entries[i]);
    listing_page_put_end(text, listing->count);
    return text->length;
}

/* Sorting and writing ten thousand rows takes milliseconds, in which a loop serves hundreds. */
static void make_page(eddy_work *work) {
    struct listing *listing = eddy_container_of(work, struct listing, work);
    struct text text = {0};
    if (listing->count > 0) /* an empty array is NULL, which qsort must not be given */
        qsort(listing->entries, listing->count, sizeof *listing->entries, listing_page_compare);
    text.size = put_page(&text, listing);
    text.length = 0;
    text.bytes = listing->page.text = system_resize(NULL, text.size);
    if (text.bytes != NULL) listing->page.length = put_page(&text, listing);
}

static void on_page_made(eddy_work *work, int status) {
    struct listing *listing = eddy_container_of(work, struct listing, work);
    struct exchange *exchange = listing->exchange;
    if (!exchange_landed(exchange)) return;
    if (status < 0 || listing->page.text == NULL)
        answer_error(exchange, -ENOMEM);
    else
        answer_page(exchange);
}

static void drop_unknown(struct listing *listing) {
    size_t kept = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->entries[i].size >= 0)
            listing->entries[kept++] = listing->entries[i];
        else
            system_free((void *)(uintptr_t)listing->entries[i].name);
    }
    listing->count = kept;
}

static void finish(struct listing *listing) {
    struct exchange *exchange = listing->exchange;
    drop_unknown(listing);
    answer_launched(exchange, eddy_work_submit(exchange->context->loop, &listing->work,
                                               EDDY_LANE_CPU, make_page, on_page_made));
}

/* --- The entries --- */

static void on_looked_at(eddy_file *file);
static void on_link_opened(eddy_file *file);

static eddy_loop *loop_of(const struct listing *listing) {
    return listing->exchange->context->loop;
}

/* Has a free slot look at the next entry; after the last one, goes on to the page. False: there was
 * none left, and the listing may be gone. */
static bool look_on(struct listing *listing, struct slot *slot) {
    while (listing->next < listing->count) {
        slot->entry = &listing->entries[listing->next++];
        slot->fd = -1;
        int err = eddy_file_lstat(loop_of(listing), &slot->file, listing->exchange->fd,
                                  slot->entry->name, &slot->stat, on_looked_at);
        if (err < 0) continue;
        listing->exchange->in_flight++;
        listing->busy++;
        return true;
    }
    if (listing->busy == 0) finish(listing);
    return false;
}

static bool slot_landed(struct slot *slot) {
    slot->listing->busy--;
    return exchange_landed(slot->listing->exchange);
}

/* The slot goes on with another request for the same entry, or with the next entry. */
static void slot_next(struct slot *slot, int err) {
    struct listing *listing = slot->listing;
    struct exchange *exchange = listing->exchange;
    if (err == 0) {
        listing->busy++;
        exchange->in_flight++;
    } else {
        (void)look_on(listing, slot);
    }
}

static int open_link(struct slot *slot) {
    struct exchange *exchange = slot->listing->exchange;
    struct text text = {slot->path, sizeof slot->path - 1, 0};
    text_put(&text, exchange->path, exchange->path_length);
    if (exchange->path_length > 0) text_put_literal(&text, "/");
    text_put_string(&text, slot->entry->name);
    if (!text_fits(&text)) return -ENAMETOOLONG;
    slot->path[text.length] = '\0';
    return eddy_file_open(loop_of(slot->listing), &slot->file, exchange->context->root, slot->path,
                          O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, EDDY_BENEATH, on_link_opened);
}

static void on_link_opened(eddy_file *file) {
    struct slot *slot = eddy_container_of(file, struct slot, file);
    int64_t fd = file->result;
    if (!slot_landed(slot)) {
        if (fd >= 0) system_close((int)fd);
        return;
    }
    slot->fd = (int)fd;
    int err = (int)fd;
    if (fd >= 0)
        err = eddy_file_fstat(loop_of(slot->listing), file, slot->fd, &slot->stat, on_looked_at);
    if (err < 0 && fd >= 0) system_close((int)fd);
    slot_next(slot, err);
}

static void on_looked_at(eddy_file *file) {
    struct slot *slot = eddy_container_of(file, struct slot, file);
    if (slot->fd >= 0) system_close(slot->fd);
    bool is_link_target = slot->fd >= 0;
    if (!slot_landed(slot)) return;
    int err = -ENOENT; /* done with this entry */
    uint32_t mode = slot->stat.mode;
    if (file->result == 0 && (S_ISREG(mode) || S_ISDIR(mode))) {
        slot->entry->is_directory = S_ISDIR(mode);
        slot->entry->size = slot->stat.size;
        slot->entry->modified_s = slot->stat.modify_s;
    } else if (file->result == 0 && S_ISLNK(mode) && !is_link_target) {
        err = open_link(slot);
    }
    slot_next(slot, err);
}

/* --- The names --- */

static bool add_name(struct listing *listing, const char *name) {
    if (policy_hides_name(listing->exchange->context->policy, name)) return true;
    if (listing->count == listing->room) {
        size_t room = listing->room == 0 ? 64 : 2 * listing->room;
        struct listing_entry *entries = system_resize(listing->entries, room * sizeof *entries);
        if (entries == NULL) return false;
        listing->entries = entries;
        listing->room = room;
    }
    size_t length = strlen(name);
    char *copy = system_resize(NULL, length + 1);
    if (copy == NULL) return false;
    memcpy(copy, name, length + 1);
    /* The size -1: not looked at. */
    listing->entries[listing->count++] =
        (struct listing_entry){.name = copy, .name_length = length, .size = -1};
    return true;
}

static bool add_names(struct listing *listing, size_t used) {
    eddy_entry entry;
    size_t position = 0;
    while (eddy_scan_next(listing->buffer, used, &position, &entry)) {
        if (listing->count == ENTRIES_MAX) return true;
        if (!add_name(listing, entry.name)) return false;
    }
    return true;
}

static void scan(struct listing *listing);

static void on_scanned(eddy_file *file) {
    struct listing *listing = eddy_container_of(file, struct listing, scan);
    struct exchange *exchange = listing->exchange;
    int64_t used = file->result;
    if (!exchange_landed(exchange)) return;
    if (used > 0 && !add_names(listing, (size_t)used)) used = -ENOMEM;
    if (used < 0) {
        answer_error(exchange, (int)used);
    } else if (used > 0 && listing->count < ENTRIES_MAX) {
        scan(listing);
    } else {
        for (size_t i = 0; i < SLOTS; i++) {
            listing->slots[i].listing = listing;
            if (!look_on(listing, &listing->slots[i])) break;
        }
    }
}

static void scan(struct listing *listing) {
    struct exchange *exchange = listing->exchange;
    answer_launched(exchange, eddy_file_scan(loop_of(listing), &listing->scan, exchange->fd,
                                             listing->buffer, sizeof listing->buffer, on_scanned));
}

void listing_begin(struct exchange *exchange) {
    struct listing *listing = system_resize(NULL, sizeof *listing);
    if (listing == NULL) {
        answer_error(exchange, -ENOMEM);
        return;
    }
    memset(listing, 0, offsetof(struct listing, slots));
    listing->exchange = exchange;
    listing->page.free = free_listing;
    exchange->page = &listing->page;
    scan(listing);
}
