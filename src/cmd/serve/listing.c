/* listing.c: a directory, from its survey to the last piece of its page.
 *
 *     survey ---> sort, on a thread ---> a piece ---> the client has taken it ---> a piece …
 *
 * The parts of a page are its beginning, its head, the rows and its end. A piece is some of them;
 * it is made anew from `part` on where the client has not taken all of it, and what was taken of
 * that part is left out: entries do not change, so it comes out the same. Threading: the loop's;
 * sort() on a thread of the pool, while the loop keeps off. */
#include "listing.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "listing_page.h"
#include "survey.h"
#include "system.h"

enum {
    PIECE_BYTES = LISTING_PART_BYTES + 4 * 1024, /* on the stack */
    WANTED_BYTES = 8 * 1024,                     /* as much as the HTTP server takes at once */
    FIRST_ROW = 2,                               /* part */
};

struct listing {
    struct page page; /* exchange->page */
    struct exchange *exchange;
    struct survey *survey; /* NULL when it is over */
    struct entries entries;
    struct listing_view view;
    eddy_work work;
    size_t part;    /* that the next piece begins with … */
    size_t skipped; /* … of which so many bytes have been taken */
};

static struct listing *listing_of(struct exchange *exchange) {
    return eddy_container_of(exchange->page, struct listing, page);
}

static void free_listing(struct page *page) {
    struct listing *listing = eddy_container_of(page, struct listing, page);
    survey_free(listing->survey);
    entries_free(&listing->entries);
    system_free(listing);
}

/* --- The pieces --- */

static size_t count_parts(const struct listing *listing) {
    return FIRST_ROW + listing->view.count + 1;
}

static void put_part(struct text *text, const struct listing *listing, size_t part) {
    const struct listing_view *view = &listing->view;
    if (part == 0)
        listing_page_put_begin(text, view);
    else if (part == 1)
        listing_page_put_head(text, view);
    else if (part < FIRST_ROW + view->count)
        listing_page_put_row(text, view, listing->entries.list[part - FIRST_ROW]);
    else
        listing_page_put_end(text, view);
}

/* Where a piece ends: behind its last part, which begins at `last_start` of its bytes. */
struct piece_end {
    size_t part, last_start;
};

static struct piece_end put_piece(struct text *text, const struct listing *listing) {
    struct piece_end end = {listing->part, 0};
    while (end.part < count_parts(listing) && text->length < listing->skipped + WANTED_BYTES) {
        size_t start = text->length;
        put_part(text, listing, end.part);
        if (!text_fits(text)) {
            text->length = start;
            break;
        }
        end.last_start = start;
        end.part++;
    }
    return end;
}

/* Counts `taken` bytes as gone. False: some of the piece is not. */
static bool advance(struct listing *listing, size_t length, struct piece_end end, size_t taken) {
    listing->skipped += taken;
    if (listing->skipped == length) {
        listing->part = end.part;
        listing->skipped = 0;
        return true;
    }
    if (listing->skipped >= end.last_start) {
        listing->part = end.part - 1;
        listing->skipped -= end.last_start;
    }
    return false;
}

/* Gives the client what it takes just now. */
static void send_on(struct listing *listing) {
    eddy_http_request *request = listing->exchange->request;
    char bytes[PIECE_BYTES];
    while (listing->part < count_parts(listing)) {
        struct text text = {bytes, sizeof bytes, 0};
        struct piece_end end = put_piece(&text, listing);
        ssize_t taken =
            eddy_http_write(request, bytes + listing->skipped, text.length - listing->skipped);
        if (taken == -EAGAIN) return;
        if (taken < 0) {
            eddy_http_abort(request);
            return;
        }
        if (!advance(listing, text.length, end, (size_t)taken)) return;
    }
    (void)eddy_http_end(request);
}

static void on_drained(eddy_http_request *request, void *context) {
    (void)request;
    send_on(context);
}

/* --- The order --- */

/* Longer values are none that is known. */
static struct listing_order order_of(const eddy_http_request *request) {
    char sort[8] = "", order[8] = "";
    (void)eddy_http_query_value(request, "sort", sort, sizeof sort);
    (void)eddy_http_query_value(request, "order", order, sizeof order);
    return listing_order_read(sort, order);
}

/* Sorting ten thousand entries takes milliseconds, in which a loop serves hundreds. */
static void sort(eddy_work *work) {
    struct listing *listing = eddy_container_of(work, struct listing, work);
    entries_sort(&listing->entries, listing->view.order);
}

static void on_sorted(eddy_work *work, int status) {
    struct listing *listing = eddy_container_of(work, struct listing, work);
    struct exchange *exchange = listing->exchange;
    if (!exchange_landed(exchange)) return;
    entries_settle(&listing->entries);
    opened_drop(&exchange->opened);
    if (status < 0) {
        answer_error(exchange, status);
        return;
    }
    listing->view.count = listing->entries.list_count;
    listing->view.is_partial = listing->entries.is_partial;
    eddy_http_on_drained(exchange->request, on_drained, listing);
    if (answer_begin_page(exchange)) send_on(listing);
}

static void on_surveyed(struct exchange *exchange, int err) {
    struct listing *listing = listing_of(exchange);
    survey_free(listing->survey);
    listing->survey = NULL;
    if (err == 0) err = entries_prepare(&listing->entries);
    if (err == 0)
        err = eddy_work_submit(exchange->context->loop, &listing->work, EDDY_LANE_CPU, sort,
                               on_sorted);
    (void)answer_launched(exchange, err);
}

/* --- The beginning --- */

static struct listing *open_listing(struct exchange *exchange) {
    struct listing *listing = system_resize(NULL, sizeof *listing);
    if (listing == NULL) return NULL;
    *listing = (struct listing){
        .page.free = free_listing,
        .exchange = exchange,
        .view = {exchange->path, exchange->path_length, order_of(exchange->request), 0, false},
    };
    entries_init(&listing->entries, exchange->context);
    exchange->page = &listing->page;
    listing->survey = survey_open(exchange, &listing->entries, on_surveyed);
    return listing->survey != NULL ? listing : NULL;
}

void listing_begin(struct exchange *exchange) {
    if (strcmp(eddy_http_method(exchange->request), "HEAD") == 0) {
        if (answer_begin_page(exchange)) (void)eddy_http_end(exchange->request);
        return;
    }
    struct listing *listing = open_listing(exchange);
    int err = listing != NULL ? survey_begin(listing->survey) : -ENOMEM;
    if (err < 0) answer_error(exchange, err);
}
