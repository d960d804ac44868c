/* chart_bars.c: a value for each name, with bars (chart.h). Without state. */
#include "chart.h"

#include <math.h>
#include <string.h>

enum {
    LETTER = 6,
    NAMES_MIN = 60,
    NAMES_MAX = 210,
    RIGHT = CHART_WIDTH - 66,
    TOP = 44,
    ROW = 19,
    FOOT = 22
};

/* How wide the names are, about, where the bars begin. */
static int width_of_names(const struct chart_bars *chart) {
    int width = NAMES_MIN;
    for (size_t i = 0; i < chart->count; i++) {
        int own = 8 + LETTER * (int)strlen(chart->bars[i].name);
        if (own > width) width = own;
    }
    return width < NAMES_MAX ? width : NAMES_MAX;
}

/* From `first` to `last`; with a logarithm of both, where the axis has one. */
struct axis {
    double first, last;
    int left;
};

static double x_of(const struct chart_bars *chart, const struct axis *axis, double value) {
    double at = chart->is_log ? log10(value > 0 ? value : 1e-9) : value;
    double share = (at - axis->first) / (axis->last - axis->first);
    return axis->left + (share < 0 ? 0 : share > 1 ? 1 : share) * (RIGHT - axis->left);
}

static struct axis axis_of(const struct chart_bars *chart) {
    struct axis axis = {.left = width_of_names(chart)};
    double least = 0, greatest = 0;
    for (size_t i = 0; i < chart->count; i++) {
        double value = chart->bars[i].value.median;
        if (value <= 0) continue;
        if (least == 0 || value < least) least = value;
        if (value > greatest) greatest = value;
    }
    if (chart->is_log && least > 0) {
        axis.first = floor(log10(least));
        axis.last = ceil(log10(greatest));
    } else {
        double unit = 1;
        while (chart->is_binary && chart->greatest >= unit * 1024) unit *= 1024;
        double step = chart_step(chart->greatest / unit) * unit;
        axis.last = step * ceil(chart->greatest * 0.9999 / step);
    }
    if (axis.last <= axis.first) axis.last = axis.first + 1;
    return axis;
}

int chart_bars_height(const struct chart_bars *chart) {
    return TOP + (int)chart->count * ROW + FOOT;
}

static void put_axis(FILE *out, const struct chart_bars *chart, const struct axis *axis) {
    char text[32];
    int bottom = TOP + (int)chart->count * ROW;
    double span = axis->last - axis->first, step = chart->is_log ? 1 : span / 2;
    for (double at = axis->first; at <= axis->last + span * 1e-6; at += step) {
        double value = chart->is_log ? pow(10, at) : at, x = x_of(chart, axis, value);
        double every = span > 4 ? 3 : 1; /* decades between texts that have room */
        if (RIGHT - axis->left < NAMES_MAX / 2) every = span;
        bool has_text = !chart->is_log || fmod(at - axis->first, every) == 0;
        fprintf(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP - 4, bottom);
        if (has_text)
            fprintf(out, "<text class=\"dim\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                    x, bottom + 15, value == 0 ? "0" : chart->text_of(text, sizeof text, value));
        fputc('\n', out);
    }
}

static void put_bar(FILE *out, const struct chart_bars *chart, const struct axis *axis, size_t i) {
    char text[32], low[32], high[32];
    int y = TOP + (int)i * ROW;
    const struct bench_figure *it = &chart->bars[i].value;
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", axis->left - 6, y + 13);
    chart_put_text(out, chart->bars[i].name);
    fputs("</text>", out);
    if (it->median < 0) {
        fprintf(out, "<text class=\"dim\" x=\"%d\" y=\"%d\">not measured</text>\n", axis->left + 4,
                y + 13);
        return;
    }
    double x = x_of(chart, axis, it->median), from = x_of(chart, axis, it->low),
           to = x_of(chart, axis, it->high);
    fprintf(out, "<g><title>");
    chart_put_text(out, chart->bars[i].name);
    fprintf(out, ": %s (%s to %s)</title>", chart->text_of(text, sizeof text, it->median),
            chart->text_of(low, sizeof low, it->low), chart->text_of(high, sizeof high, it->high));
    fprintf(out,
            "<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"11\"/>"
            "<path class=\"whisker\" d=\"M%.1f %dv7m0-3.5H%.1fm0-3.5v7\" fill=\"none\"/>"
            "<text x=\"%.1f\" y=\"%d\">%s</text></g>\n",
            axis->left, y + 3, x - axis->left, from, y + 5, to, (to > x ? to : x) + 5, y + 13,
            text);
}

void chart_put_bars(FILE *out, const struct chart_bars *chart, const char *place) {
    struct axis axis = axis_of(chart);
    chart_put_head(out, chart->title, chart->note, chart_bars_height(chart), place);
    put_axis(out, chart, &axis);
    for (size_t i = 0; i < chart->count; i++) put_bar(out, chart, &axis, i);
    fputs("</svg>\n", out);
}
