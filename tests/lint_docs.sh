#!/bin/sh
# lint_docs.sh: each relative link of a Markdown file leads to a file or directory, and each #place
# to a heading. Prints those that do not; exit status 1 if there are any.
cd "$(dirname "$0")/.." || exit 2

# The headings of a file as the names that links call them by: small letters, no punctuation, a dash
# for each space.
places() {
    grep -E '^#+ ' "$1" | sed -E 's/^#+ //' | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

dead=$(git ls-files -co --exclude-standard '*.md' | while IFS= read -r page; do
    # Code is not looked at, be it indented, fenced or between backticks.
    sed -E -e '/^```/,/^```/d' -e '/^    /d' -e 's/`[^`]*`//g' "$page" |
        grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' |
        while IFS= read -r link; do
            path=${link%%#*}
            target=$page
            [ -z "$path" ] || target=$(dirname "$page")/$path
            if [ ! -e "$target" ]; then
                echo "$page: $link: no such file"
            elif [ "$link" != "$path" ] && ! places "$target" | grep -qxF -- "${link#*#}"; then
                echo "$page: $link: no such heading"
            fi
        done
done)
[ -n "$dead" ] || { echo 'lint_docs: no dead links'; exit 0; }
printf '%s\n' "$dead"
exit 1
