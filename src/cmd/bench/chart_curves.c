/* chart_curves.c: ratios or times over sizes (chart.h). Without state. */
#include "chart.h"
#include "quantity.h"

#include <math.h>
#include <string.h>

enum {
    LEFT = 56,
    RIGHT = CHART_WIDTH - 8,
    TOP = 54,
    BOTTOM = CHART_HEIGHT - 38,
    FEW = 5, /* places that have room for a time below each */
    SIZES_MAX = 9,
};

/* An axis from 0 to `top`, with a mark each `step`. */
struct axis {
    double step, top;
};

static double y_of(const struct axis *axis, double value) {
    double share = value > axis->top ? 1 : value / axis->top;
    return (double)BOTTOM - share * (double)(BOTTOM - TOP);
}

static double width_of_place(const struct chart_curves *chart) {
    return (double)(RIGHT - LEFT) / (double)chart->place_count;
}

static double x_of(const struct chart_curves *chart, size_t place) {
    return (double)LEFT + ((double)place + 0.5) * width_of_place(chart);
}

/* Series stand a little beside each other, so that each is seen where they are alike. */
static double shift_of(const struct chart_curves *chart, size_t series) {
    double room = width_of_place(chart) * 0.6 / (double)chart->series_count;
    return ((double)series - (double)(chart->series_count - 1) / 2) * (room < 11 ? room : 11);
}

static void put_axis(FILE *out, const struct chart_curves *chart, const struct axis *axis) {
    char text[32];
    for (double value = 0; value <= axis->top * 1.0001; value += axis->step) {
        bool is_one = chart->reference != NULL && fabs(value - 1) < 1e-9;
        double y = y_of(axis, value);
        if (chart->reference != NULL)
            snprintf(text, sizeof text, "%g", value);
        else
            text_of_time(text, sizeof text, value);
        fprintf(out,
                "<path class=\"%s\" d=\"M%d %.1fH%d\"/><text class=\"dim\" x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">%s</text>\n",
                is_one ? "one" : "grid", LEFT, y, RIGHT, LEFT - 5, y + 4, value == 0 ? "0" : text);
    }
}

static void put_sizes(FILE *out, const struct chart_curves *chart) {
    char text[32];
    size_t every = (chart->place_count + SIZES_MAX - 1) / SIZES_MAX;
    fprintf(out, "<text class=\"dim\" x=\"2\" y=\"%d\">%s</text>", BOTTOM + 16, chart->size_name);
    for (size_t i = 0; i < chart->place_count; i += every) {
        double size = (double)chart->sizes[i];
        snprintf(text, sizeof text,
                 size < 1e4   ? "%.0f"
                 : size < 1e6 ? "%.4g k"
                              : "%.4g M",
                 size < 1e4   ? size
                 : size < 1e6 ? size / 1e3
                              : size / 1e6);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", x_of(chart, i),
                BOTTOM + 16, text);
    }
    fputc('\n', out);
    if (chart->reference == NULL || chart->place_count > FEW) return;
    fprintf(out, "<text class=\"dim\" x=\"2\" y=\"%d\">", BOTTOM + 31);
    chart_put_text(out, chart->reference);
    fputs("</text>", out);
    for (size_t i = 0; i < chart->place_count; i++)
        fprintf(out, "<text class=\"dim\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                x_of(chart, i), BOTTOM + 31,
                text_of_time(text, sizeof text, chart->reference_ns[i]));
    fputc('\n', out);
}

static void put_noise(FILE *out, const struct chart_curves *chart, const struct axis *axis) {
    double width = width_of_place(chart) * 0.8;
    for (size_t i = 0; i < chart->place_count; i++) {
        const struct bench_figure *it = &chart->noise[i];
        if (it->median < 0) continue;
        double top = y_of(axis, it->high), bottom = y_of(axis, it->low);
        fprintf(out,
                "<rect class=\"noise\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                x_of(chart, i) - width / 2, top, width, bottom - top < 1 ? 1 : bottom - top);
    }
}

/* What the browser tells of a mark under the pointer. */
static void put_tip(FILE *out, const struct chart_curves *chart, const struct chart_series *series,
                    size_t place) {
    char median[24], low[24], high[24];
    const struct bench_figure *it = &series->points[place];
    fputs("<title>", out);
    chart_put_text(out, series->name);
    if (chart->reference != NULL)
        fprintf(out, ", %s %lld: %.3g (%.3g to %.3g)</title>", chart->size_name,
                (long long)chart->sizes[place], it->median, it->low, it->high);
    else
        fprintf(out, ", %s %lld: %s (%s to %s)</title>", chart->size_name,
                (long long)chart->sizes[place], text_of_time(median, sizeof median, it->median),
                text_of_time(low, sizeof low, it->low), text_of_time(high, sizeof high, it->high));
}

static void put_point(FILE *out, const struct chart_curves *chart, const struct axis *axis,
                      size_t index, size_t place) {
    const struct chart_series *series = &chart->series[index];
    const struct bench_figure *it = &series->points[place];
    double x = x_of(chart, place) + shift_of(chart, index);
    fputs("<g>", out);
    put_tip(out, chart, series, place);
    if (it->low < axis->top)
        fprintf(out, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"currentColor\" stroke-width=\"2\"/>", x,
                y_of(axis, it->low), y_of(axis, it->high));
    chart_put_mark(out, series->style, x, y_of(axis, it->median));
    fputs("</g>\n", out);
}

/* Beyond the top: an arrow that goes on, and how far. Those of several series are under each other.
 */
static void put_beyond(FILE *out, const struct chart_curves *chart, const struct axis *axis,
                       size_t place) {
    char text[32];
    int count = 0;
    for (size_t i = 0; i < chart->series_count; i++) {
        double median = chart->series[i].points[place].median;
        double x = x_of(chart, place) + shift_of(chart, i);
        if (median <= axis->top) continue;
        if (chart->reference != NULL)
            text_of_ratio(text, sizeof text, median);
        else
            text_of_time(text, sizeof text, median);
        fprintf(out,
                "<path class=\"s%u\" d=\"M%.1f %dl-4 5m4-5l4 5m-4-5v9\" fill=\"none\" "
                "stroke=\"currentColor\"/><text class=\"over\" x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">%s</text>\n",
                chart_colour(chart->series[i].style), x, TOP - 14, x, TOP + 18 + 13 * count++,
                text);
    }
}

static void put_series(FILE *out, const struct chart_curves *chart, const struct axis *axis,
                       size_t index) {
    const struct chart_series *series = &chart->series[index];
    bool is_drawing = false;
    fprintf(out,
            "<g class=\"s%u\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"",
            chart_colour(series->style));
    fputs(" opacity=\".6\" d=\"", out);
    for (size_t i = 0; i < chart->place_count; i++) {
        double median = series->points[i].median;
        if (median >= 0)
            fprintf(out, "%c%.1f %.1f", is_drawing ? 'L' : 'M',
                    x_of(chart, i) + shift_of(chart, index), y_of(axis, median));
        is_drawing = median >= 0;
    }
    fputs("\"/>\n", out);
    for (size_t i = 0; i < chart->place_count; i++)
        if (series->points[i].median >= 0) put_point(out, chart, axis, index, i);
    fputs("</g>\n", out);
}

void chart_put_curves(FILE *out, const struct chart_curves *chart, const char *place) {
    struct axis axis = {.step = chart_step(chart->greatest)};
    axis.top = axis.step * ceil(chart->greatest * 0.9999 / axis.step);
    if (!(axis.top > 0)) axis.top = axis.step; /* nothing is known */
    chart_put_head(out, chart->title, chart->note, CHART_HEIGHT, place);
    put_noise(out, chart, &axis);
    put_axis(out, chart, &axis);
    put_sizes(out, chart);
    for (size_t i = 0; i < chart->series_count; i++) put_series(out, chart, &axis, i);
    for (size_t i = 0; i < chart->place_count; i++) put_beyond(out, chart, &axis, i);
    fputs("</svg>\n", out);
}
