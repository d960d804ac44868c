/* plot.c: results as one picture: the panels of a report, three in a row, with the marks of the
 * curves above them. Without state. */
#include "bench.h"
#include "chart.h"
#include "panels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 3, GAP = 18, HEAD = 34 };

static int height_of_row(const struct panels *panels, size_t from) {
    int height = 0;
    for (size_t i = from; i < panels->count && i < from + COLUMNS; i++) {
        int own = panel_height(panels, &panels->list[i]);
        if (own > height) height = own;
    }
    return height + GAP;
}

static void put_legend(FILE *out, const struct panels *panels) {
    double x = GAP;
    for (size_t i = 0; i < panels->subject_count; i++) {
        chart_put_mark(out, (unsigned)i, x + 6, HEAD / 2);
        fprintf(out, "<text x=\"%.0f\" y=\"%d\">", x + 16, HEAD / 2 + 4);
        chart_put_text(out, panels->subjects[i]);
        fputs("</text>\n", out);
        x += 36 + 6.5 * (double)strlen(panels->subjects[i]);
    }
    if (panels->has_noise)
        fprintf(out,
                "<rect class=\"noise\" x=\"%.0f\" y=\"%d\" width=\"16\" height=\"10\"/>"
                "<text x=\"%.0f\" y=\"%d\">the first against itself: noise</text>\n",
                x, HEAD / 2 - 5, x + 22, HEAD / 2 + 4);
}

static void put_picture(FILE *out, const struct panels *panels) {
    int width = COLUMNS * (CHART_WIDTH + GAP) + GAP, height = HEAD, y = HEAD;
    for (size_t i = 0; i < panels->count; i += COLUMNS) height += height_of_row(panels, i);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\">\n<style>",
            width, height, width, height);
    chart_put_style(out);
    fputs(".page{fill:#fff}@media(prefers-color-scheme:dark){.page{fill:#0d1117}}</style>\n"
          "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
          out);
    put_legend(out, panels);
    for (size_t i = 0; i < panels->count; i++) {
        char place[96];
        const struct panel *panel = &panels->list[i];
        if (i > 0 && i % COLUMNS == 0) y += height_of_row(panels, i - COLUMNS);
        snprintf(place, sizeof place, "x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"",
                 GAP + (int)(i % COLUMNS) * (CHART_WIDTH + GAP), y, CHART_WIDTH,
                 panel_height(panels, panel));
        panel_put(out, panels, panel, place);
    }
    fputs("</svg>\n", out);
}

int bench_plot(const char *path, const struct bench_result *results, size_t count) {
    struct panels_run run = {.results = results, .count = count};
    struct panels *panels = malloc(sizeof *panels);
    if (panels == NULL) return -ENOMEM;
    panels_make(panels, &run, 1);
    FILE *out = panels->count > 0 ? fopen(path, "we") : NULL;
    int err = panels->count == 0 ? -EINVAL : out == NULL ? -errno : 0;
    if (err == 0) {
        put_picture(out, panels);
        if (ferror(out)) err = -EIO;
        if (fclose(out) != 0) err = -errno;
    }
    free(panels);
    return err;
}
