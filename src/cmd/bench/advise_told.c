/* advise_told.c: makes sentences of figures (advise.h). Without state. */
#include "advise.h"
#include "quantity.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 8, NAMES_MAX = 8, COLUMNS = 96 };

/* The backends with so many descriptors: the first is what the others are compared with. */
struct place {
    int64_t size;
    const struct bench_result *rows[NAMES_MAX];
    size_t count;
    double noise;  /* the share by which the first may differ from itself */
    unsigned good; /* a bit for each row that none is better than */
};

struct places {
    struct place list[PLACES_MAX];
    size_t count;
};

/* --- What is as good as the best --- */

static double noise_of(const struct bench_result *control) {
    double below = 1 - control->ratio.low, above = control->ratio.high - 1;
    return above > below ? above : below;
}

/* Only what is slower by its whole interval, and by more than the noise, is slower. */
static bool is_slower(const struct bench_figure *it, const struct bench_figure *best,
                      double noise) {
    return it->low > best->high && it->median > best->median * (1 + noise);
}

static bool has_ratio(const struct bench_result *it) {
    return it->error == 0 && it->ratio.median >= 0;
}

static void judge(struct place *place) {
    const struct bench_result *best = NULL;
    for (size_t i = 0; i < place->count; i++) {
        const struct bench_result *it = place->rows[i];
        if (!has_ratio(it)) continue;
        if (best == NULL || it->ratio.median < best->ratio.median) best = it;
    }
    for (size_t i = 0; i < place->count && best != NULL; i++) {
        const struct bench_result *it = place->rows[i];
        if (!has_ratio(it)) continue;
        if (!is_slower(&it->ratio, &best->ratio, place->noise)) place->good |= 1u << i;
    }
}

static void add_row(struct places *places, const struct bench_result *it) {
    struct place *place = places->count > 0 ? &places->list[places->count - 1] : NULL;
    if (place == NULL || place->size != it->of->size) {
        if (places->count == PLACES_MAX) return;
        place = &places->list[places->count++];
        *place = (struct place){.size = it->of->size};
    }
    if (it->is_control && it->error == 0)
        place->noise = noise_of(it);
    else if (!it->is_control && place->count < NAMES_MAX)
        place->rows[place->count++] = it;
}

/* The places of a workload at which anything was measured. */
static void find_places(struct places *places, const struct bench_result *results, size_t count,
                        const char *workload) {
    size_t kept = 0;
    *places = (struct places){.count = 0};
    for (size_t i = 0; i < count; i++)
        if (strcmp(results[i].of->workload, workload) == 0) add_row(places, &results[i]);
    for (size_t i = 0; i < places->count; i++) {
        judge(&places->list[i]);
        if (places->list[i].good != 0) places->list[kept++] = places->list[i];
    }
    places->count = kept;
}

/* --- Words --- */

/* "a", "a and b", "a, b and c": what stands in front of one of them. */
static const char *between(size_t index, size_t count) {
    return index == 0 ? "" : index + 1 == count ? " and " : ", ";
}

static unsigned count_bits(unsigned bits) {
    unsigned count = 0;
    for (; bits != 0; bits &= bits - 1) count++;
    return count;
}

static void put_good(FILE *out, const struct place *place) {
    unsigned good = count_bits(place->good), told = 0, measured = 0;
    for (size_t i = 0; i < place->count; i++) measured += has_ratio(place->rows[i]);
    if (good > 1 && good == measured) {
        fputs("any of them, as they differ by less than the noise", out);
        return;
    }
    for (size_t i = 0; i < place->count; i++)
        if ((place->good & 1u << i) != 0)
            fprintf(out, "%s%s", told++ == 0 ? "" : " or ", place->rows[i]->of->subject);
    if (good > 1) fputs(", which differ by less than the noise", out);
}

/* Behind the last place with the same choice as this. */
static size_t end_of_same(const struct places *places, size_t from) {
    size_t to = from;
    while (to < places->count && places->list[to].good == places->list[from].good) to++;
    return to;
}

/* "take at 10 and 100 epoll or poll, which differ by less than the noise; at 1000 epoll" */
static void put_choice(FILE *out, const struct places *places) {
    size_t next;
    for (size_t i = 0; i < places->count; i = next) {
        next = end_of_same(places, i);
        fputs(i == 0 ? "take at " : "; at ", out);
        for (size_t k = i; k < next; k++)
            fprintf(out, "%s%lld", between(k - i, next - i), (long long)places->list[k].size);
        fputc(' ', out);
        put_good(out, &places->list[i]);
    }
}

static void put_ratio(FILE *out, const struct place *place, size_t row) {
    char median[24], low[24], high[24];
    const struct bench_figure *it = &place->rows[row]->ratio;
    fprintf(out, "%s (%s to %s) at %lld", text_of_ratio(median, sizeof median, it->median),
            text_of_ratio(low, sizeof low, it->low), text_of_ratio(high, sizeof high, it->high),
            (long long)place->size);
}

/* "poll takes 0.96 (0.93 to 0.99) at 10 and 1.41 (1.38 to 1.44) at 100 of epoll's CPU"; not of
 * where it could not be measured. */
static void put_ratios(FILE *out, const struct places *places) {
    const struct place *first = &places->list[0];
    const char *reference = first->rows[0]->of->subject;
    double noise = 0;
    bool is_told = false;
    for (size_t row = 1; row < first->count; row++) {
        size_t measured = 0, told = 0;
        for (size_t i = 0; i < places->count; i++)
            measured += row < places->list[i].count && has_ratio(places->list[i].rows[row]);
        if (measured == 0) continue;
        fprintf(out, "%s%s takes ", is_told ? ", " : ": ", first->rows[row]->of->subject);
        is_told = true;
        for (size_t i = 0; i < places->count; i++) {
            if (row >= places->list[i].count || !has_ratio(places->list[i].rows[row])) continue;
            fputs(between(told++, measured), out);
            put_ratio(out, &places->list[i], row);
        }
        fprintf(out, " of %s's CPU", reference);
    }
    for (size_t i = 0; i < places->count; i++)
        if (places->list[i].noise > noise) noise = places->list[i].noise;
    fprintf(out, "%s%s against itself is off by up to %.0f %%", is_told ? ", and " : ": ",
            reference, noise * 100);
}

/* --- Sentences --- */

static const struct bench_result *find(const struct bench_result *results, size_t count,
                                       const char *workload) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(results[i].of->workload, workload) == 0 && results[i].error == 0)
            return &results[i];
    return NULL;
}

static void put_time(FILE *out, const struct bench_figure *it) {
    char median[24], low[24], high[24];
    fprintf(out, "%s (%s to %s)", text_of_time(median, sizeof median, it->median),
            text_of_time(low, sizeof low, it->low), text_of_time(high, sizeof high, it->high));
}

/* What the parts cost of which a turn is made. */
static void put_costs(FILE *out, const struct bench_result *results, size_t count) {
    const struct bench_result *call = find(results, count, ADVISE_CALL);
    const struct bench_result *wake = find(results, count, ADVISE_WAKE);
    const struct bench_result *busy = find(results, count, ADVISE_BUSY);
    char text[24];
    if (call == NULL || wake == NULL) {
        fputs("What a system call and a wake-up cost could not be measured.", out);
        return;
    }
    const struct bench_figure *bare = call->cpu_ns.median > 0 ? &call->cpu_ns : &call->time_ns;
    fputs("A system call takes ", out);
    put_time(out, bare);
    fputs(" here, and to wake a thread that waits and to be woken by it ", out);
    put_time(out, &wake->time_ns);
    if (busy != NULL && busy->cpu_ns.median > 0 && busy->calls.median >= 0)
        fprintf(out,
                ", so that of the %s of CPU that %s takes for a message with %lld descriptors "
                "%.0f %% are the bare way into the kernel and back of its %.1f calls",
                text_of_time(text, sizeof text, busy->cpu_ns.median), busy->of->subject,
                (long long)busy->of->size,
                100 * busy->calls.median * bare->median / busy->cpu_ns.median, busy->calls.median);
    fputs(".", out);
}

static void put_advice(FILE *out, const struct bench_result *results, size_t count,
                       const char *workload, const char *when) {
    struct places places;
    find_places(&places, results, count, workload);
    fprintf(out, "\n%s ", when);
    if (places.count > 0) {
        put_choice(out, &places);
        put_ratios(out, &places);
        fputs(".", out);
    } else {
        fputs("nothing could be measured.", out);
    }
}

/* In lines of at most COLUMNS, where words end. */
static void put_wrapped(FILE *out, const char *text) {
    while (*text != '\0') {
        size_t length = strcspn(text, "\n"), end = length;
        if (length > COLUMNS) {
            for (end = COLUMNS; end > 0 && text[end] != ' ';) end--;
            if (end == 0) end = COLUMNS;
        }
        fprintf(out, "%.*s\n", (int)end, text);
        text += end;
        text += strspn(text, " \n");
    }
}

void advise_tell(FILE *out, const struct bench_result *results, size_t count) {
    char *text = NULL;
    size_t size = 0;
    FILE *words = open_memstream(&text, &size);
    if (words == NULL) return;
    put_costs(words, results, count);
    put_advice(words, results, count, ADVISE_BUSY, "With all descriptors busy,");
    put_advice(words, results, count, ADVISE_IDLE, "With ten busy of many,");
    if (fclose(words) == 0) put_wrapped(out, text);
    free(text);
}
