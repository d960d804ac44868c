# names.awk: the names that the C headers given declare as functions or define as macros with
# arguments, one a line, as often as they stand there; macros without arguments are not told.
# A return type before a pointer to a function, "name (*", is none.
function tell(text, pattern,    name) {
    while (match(text, pattern)) {
        name = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (name ~ /\($/ && text !~ /^[ \t]*\*/) {
            sub(/[ \t]*\($/, "", name)
            sub(/.*[ \t]/, "", name)
            print name
        }
    }
}
function look(    count, lines, i, code) {
    gsub(/\\\n/, " ", all)
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", all)
    count = split(all, lines, "\n")
    for (i = 1; i <= count; i++)
        if (lines[i] ~ /^[ \t]*#/)
            tell(lines[i], "^[ \t]*#[ \t]*define[ \t]+[A-Za-z_][A-Za-z0-9_]*\\(")
        else
            code = code " " lines[i]
    tell(code, "[A-Za-z_][A-Za-z0-9_]*[ \t]*\\(")
    all = ""
}
FNR == 1 {look()}
{all = all $0 "\n"}
END {look()}
