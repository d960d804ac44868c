/* chart.h: charts as SVG, small enough to stand three in a row. They have no colours of their own
 * but classes, for which chart_put_style has the rules, light and dark; a series has a mark beside
 * its colour. Nothing is scaled away: values are on a linear axis from 0, and what is beyond its
 * top stands there with its number. */
#ifndef EDDY_CMD_BENCH_CHART_H
#define EDDY_CMD_BENCH_CHART_H

#include "bench.h"

enum {
    CHART_WIDTH = 360, /* in the units of its own */
    CHART_HEIGHT = 246,
    CHART_SERIES_MAX = 16,
    CHART_PLACES_MAX = 24,
    CHART_BARS_MAX = 48,
};

/* A median that is negative: there is none. */
struct chart_series {
    const char *name;
    unsigned style; /* the same for the same name in all charts of a page */
    struct bench_figure points[CHART_PLACES_MAX];
};

/* A curve for each series over a few sizes, or rates, which stand at equal distances. */
struct chart_curves {
    const char *title, *note;
    const char *size_name; /* "size" */
    size_t place_count, series_count;
    int64_t sizes[CHART_PLACES_MAX];
    /* Times of one series as they are, below the sizes: what 1 is on an axis of ratios. NULL: the
     * axis has times itself. */
    const char *reference;
    double reference_ns[CHART_PLACES_MAX];
    struct bench_figure noise[CHART_PLACES_MAX]; /* how far apart the same is from itself */
    struct chart_series series[CHART_SERIES_MAX];
    double greatest; /* for which the axis has room */
};

typedef const char *chart_text_fn(char *text, size_t size, double value);

/* A bar for each name. */
struct chart_bars {
    const char *title, *note;
    chart_text_fn *text_of;
    bool is_log;    /* the axis has decades, from that of the least to that of the greatest value */
    bool is_binary; /* the axis counts in KiB, MiB and so on */
    size_t count;
    double greatest; /* for which a linear axis has room */
    struct {
        const char *name, *why; /* why: there is no value */
        struct bench_figure value;
    } bars[CHART_BARS_MAX];
};

/* `place` are attributes of the svg element, such as "x=\"10\""; may be empty. */
void chart_put_curves(FILE *out, const struct chart_curves *chart, const char *place);
void chart_put_bars(FILE *out, const struct chart_bars *chart, const char *place);
int chart_bars_height(const struct chart_bars *chart);
/* The mark of a series, in a square of 12. */
void chart_put_mark(FILE *out, unsigned style, double x, double y);
/* Rules of CSS for all of it. */
void chart_put_style(FILE *out);
/* Text in HTML or XML, also in the quotes of an attribute. */
void chart_put_text(FILE *out, const char *text);
/* For the charts themselves: where one begins, and the number of a class of colour. */
void chart_put_head(FILE *out, const char *title, const char *note, int height, const char *place);
unsigned chart_colour(unsigned series);
/* How far apart the marks of a linear axis from 0 are, so that at most five reach `greatest`. */
double chart_step(double greatest);

#endif
