/* report_page.c: report.html (report_page.h): its frame, its charts and how to read them. Without
 * state. */
#include "report_page.h"
#include "chart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As the other pages of eddy (page_frame.c of the server, style.css of the guide). */
static const char style[] =
    ":root{color-scheme:light dark;--fg:#1f2328;--dim:#59636e;--bg:#fff;--line:#d1d9e0;"
    "--hover:#f6f8fa}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9198a1;--bg:#0d1117;"
    "--line:#3d444d;--hover:#151b23}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\n"
    "h1{margin:0;font-size:1.25rem;font-weight:600}h2{margin:2rem 0 .5rem;font-size:1.1rem}"
    "h3{margin:1.25rem 0 .25rem;font-size:.95rem}p{margin:.25rem 0;max-width:60rem}\n"
    ".dim{color:var(--dim);font-size:.85rem}\n"
    ".grid{display:grid;grid-template-columns:repeat(var(--columns),minmax(0,1fr));"
    "gap:1.25rem 1rem;align-items:start;margin-top:1rem;"
    "max-width:calc(var(--columns)*25rem)}\n"
    "@media(max-width:60rem){.grid{grid-template-columns:repeat(2,minmax(0,1fr))}}\n"
    "@media(max-width:40rem){.grid{grid-template-columns:minmax(0,1fr)}}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0;padding:0;"
    "list-style:none}.legend svg{width:12px;height:12px;margin-right:.4rem}"
    ".legend .noise{fill:var(--line)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;"
    "font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);text-align:right;"
    "white-space:nowrap}th{font-weight:600}\n"
    "th:first-child,td:first-child,.text td,.text th,.text{text-align:left}"
    ".text td{white-space:normal;overflow-wrap:anywhere}\n"
    ".differs{background:var(--hover)}.differs th::after{content:\" *\"}\n"
    "pre{overflow-x:auto;padding:.75rem;background:var(--hover);font-size:.8rem}"
    "summary{cursor:pointer;min-height:2rem}\n";

static void put_begin(FILE *out, const struct report_source *sources, size_t count) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          out);
    chart_put_text(out, sources[0].raw.head.command);
    fputs("</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n", out);
    fputs(style, out);
    chart_put_style(out);
    fputs("</style>\n</head>\n<body>\n<h1>", out);
    chart_put_text(out, sources[0].raw.head.command);
    fputs("</h1>\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct raw_head *head = &sources[i].raw.head;
        fputs("<p class=\"dim\">", out);
        if (sources[i].label != NULL) {
            fputs("<b>", out);
            chart_put_text(out, sources[i].label);
            fputs("</b>: ", out);
        }
        fputs("eddy ", out);
        chart_put_text(out, head->eddy);
        fprintf(out, ", %u rounds of %u ms, seed %llu</p>\n", head->rounds, head->sample_ms,
                (unsigned long long)head->seed);
    }
}

static void put_legend(FILE *out, const struct panels *panels) {
    if (panels->subject_count == 0) return;
    fputs("<ul class=\"legend\">\n", out);
    for (size_t i = 0; i < panels->subject_count; i++) {
        fputs("<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\">", out);
        chart_put_mark(out, (unsigned)i, 6, 6);
        fputs("</svg>", out);
        chart_put_text(out, panels->subjects[i]);
        fputs("</li>\n", out);
    }
    if (panels->has_noise)
        fputs("<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"noise\" "
              "width=\"12\" height=\"12\"/></svg>the first against itself: noise</li>\n",
              out);
    fputs("</ul>\n", out);
}

static const char how_to_read[] =
    "<p class=\"dim\">A ratio is that of the times of two in the same round; a mark is the median "
    "of all rounds, its line an interval that holds the true median with a probability of 95 % "
    "(or all that was seen, where there are fewer than six rounds). What lies within the grey is "
    "within the noise. Below each size is the time of the first. A mark at the top, with an arrow, "
    "is beyond the axis, as is the latency at a rate at which a server has fallen behind. Bars "
    "have the median, and the middle half of the rounds as a line; not "
    "measured is also what too few operations were timed for.</p>\n";

static void put_charts(FILE *out, const struct panels *panels) {
    size_t columns = panels->run_count == 2 ? 2 : 3;
    fputs("<section>\n<h2>Charts</h2>\n", out);
    put_legend(out, panels);
    fputs(how_to_read, out);
    fprintf(out, "<div class=\"grid\" style=\"--columns:%zu\">\n", columns);
    for (size_t i = 0; i < panels->count; i++) panel_put(out, panels, &panels->list[i], "");
    fputs("</div>\n</section>\n", out);
}

/* Groups that some of the machines have not measured, each once. */
static void put_left_out(FILE *out, const struct panels *panels) {
    unsigned found = 0;
    for (size_t run = 0; run < panels->run_count; run++) {
        const struct panels_run *it = &panels->runs[run];
        for (size_t i = 0; i < it->count; i++) {
            const struct bench_case *of = it->results[i].of;
            bool is_next = i > 0 && panels_is_same_group(of, it->results[i - 1].of);
            if (is_next || panels_has_all(panels, of)) continue;
            fputs(found++ == 0 ? "<p>Left out, as not all have measured it: " : "; ", out);
            chart_put_text(out, it->label != NULL ? it->label : "");
            fputs(": ", out);
            chart_put_text(out, of->workload);
            fputs(", ", out);
            chart_put_text(out, of->setting);
        }
    }
    if (found > 0) fputs(".</p>\n", out);
}

int report_page_write(FILE *out, const struct report_source *sources, size_t count) {
    struct panels_run runs[PANELS_RUNS_MAX] = {{.label = NULL}};
    struct panels *panels = malloc(sizeof *panels);
    if (panels == NULL) return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        runs[i] = (struct panels_run){sources[i].label, sources[i].results, sources[i].count};
    panels_make(panels, runs, count);
    put_begin(out, sources, count);
    put_left_out(out, panels);
    put_charts(out, panels);
    report_page_put_figures(out, panels);
    report_page_put_machines(out, sources, count);
    fputs("</body>\n</html>\n", out);
    free(panels);
    return 0;
}
