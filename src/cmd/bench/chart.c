/* chart.c: what the kinds of charts have in common (chart.h). Without state. */
#include "chart.h"

#include <math.h>
#include <string.h>

/* The colours are those of Okabe and Ito, which the colour-blind tell apart, without their yellow,
 * which is hardly seen on white. */
static const char style[] =
    ".chart{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}"
    ".chart text{fill:#1f2328;font-size:11px}.chart .dim{fill:#59636e}.chart "
    ".name{font-size:13px;font-weight:600}"
    ".chart .over{paint-order:stroke;stroke:#fff;stroke-width:3px}.chart "
    ".grid{stroke:#d1d9e0}.chart .one{stroke:#8c959f}.chart .noise{fill:#d1d9e0}"
    ".chart .bar{fill:#0072b2}.chart .whisker{stroke:#1f2328}\n"
    ".s0{color:#0072b2}.s1{color:#d55e00}.s2{color:#009e73}.s3{color:#cc79a7}.s4{color:#e69f00}"
    ".s5{color:#56b4e9}.s6{color:#1f2328}\n"
    "@media(prefers-color-scheme:dark){.chart text{fill:#e6edf3}.chart .dim{fill:#9198a1}"
    ".chart .over{stroke:#0d1117}.chart .grid{stroke:#30363d}.chart .one{stroke:#6e7681}.chart "
    ".noise{fill:#30363d}"
    ".chart .bar{fill:#56b4e9}.chart .whisker{stroke:#e6edf3}"
    ".s0{color:#4a9fd8}.s1{color:#f0803c}.s6{color:#e6edf3}}\n";

enum { COLOURS = 7, MARKS = 6 };

void chart_put_style(FILE *out) {
    fputs(style, out);
}

void chart_put_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '&')
            fputs("&amp;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else
            fputc(c < 0x20 || c == 0x7f ? '?' : c, out); /* XML has no control characters */
    }
}

void chart_put_mark(FILE *out, unsigned series, double x, double y) {
    static const char *const paths[MARKS] = {
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",                        /* a disc */
        "m-3.5-3.5h7v7h-7z",                                         /* a square */
        "m0-4.5l4.5 8h-9z",                                          /* a triangle */
        "m0-4.8l4.8 4.8l-4.8 4.8l-4.8-4.8z",                         /* a diamond */
        "m0 4.5l4.5-8h-9z",                                          /* a triangle on its tip */
        "m-4-1.3h2.7v-2.7h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7z", /* a cross */
    };
    fprintf(out, "<path class=\"s%u\" fill=\"currentColor\" d=\"M%.1f %.1f%s\"/>",
            chart_colour(series), x, y, paths[series % MARKS]);
}

unsigned chart_colour(unsigned series) {
    return series % COLOURS;
}

void chart_put_head(FILE *out, const char *title, const char *note, int height, const char *place) {
    fprintf(out,
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" %s viewBox=\"0 0 %d %d\" "
            "role=\"img\" aria-label=\"",
            place, CHART_WIDTH, height);
    chart_put_text(out, title);
    fputs(": ", out);
    chart_put_text(out, note);
    fputs("\">\n<text class=\"name\" x=\"2\" y=\"14\">", out);
    chart_put_text(out, title);
    fputs("</text><text class=\"dim\" x=\"2\" y=\"29\">", out);
    chart_put_text(out, note);
    fputs("</text>\n", out);
}

double chart_step(double greatest) {
    static const double steps[] = {1, 2, 5, 10};
    if (!(greatest > 0)) return 1;
    double base = pow(10, floor(log10(greatest / 5)));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (base * steps[i] * 5 >= greatest * 0.9999) return base * steps[i];
    return base * 10;
}
