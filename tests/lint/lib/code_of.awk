# Prints FILE:LINE:CODE for C files, with comments gone and the insides of strings and characters blanked.
# -v keep_strings=1 leaves strings alone (for #include lines).
FNR == 1 { in_comment = 0 }
{
    line = $0
    code = ""
    while (line != "") {
        if (in_comment) {
            end = index(line, "*/")
            if (!end) {
                line = ""
            } else {
                line = substr(line, end + 2)
                in_comment = 0
            }
        } else if (!match(line, /\/\*|\/\/|"|'/)) {
            code = code line
            line = ""
        } else {
            mark = substr(line, RSTART, RLENGTH)
            code = code substr(line, 1, RSTART - 1)
            line = substr(line, RSTART + RLENGTH)
            if (mark == "//") {
                line = ""
            } else if (mark == "/*") {
                in_comment = 1
                code = code " "
            } else {
                literal = ""
                while (line != "" && substr(line, 1, 1) != mark) {
                    step = substr(line, 1, 1) == "\\" ? 2 : 1
                    literal = literal substr(line, 1, step)
                    line = substr(line, step + 1)
                }
                line = substr(line, 2)
                code = code mark (keep_strings ? literal : "") mark
            }
        }
    }
    if (code ~ /[^ \t]/)
        print FILENAME ":" FNR ":" code
}
