# SPDX-License-Identifier: GPL-2.0-only
# Tables of the benchmark (bench/lib.sh: part, measure, subject, value, unit, limit, x) to SVG: a panel a measure. Bars, one a subject; red
# is over its limit, the limit a line. Or, where the rows have an x, curves from zero, one a subject.
function text(x, y, s, more) {
	gsub(/&/, "\\&amp;", s)
	gsub(/</, "\\&lt;", s)
	body = body sprintf("<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, more, s)
}
function line(x1, y1, x2, y2, width) {
	body = body sprintf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#222\" stroke-width=\"%d\"/>\n", x1, y1, x2, y2, width)
}
function bars(key,    i, scale, over) {
	for (i = 1; i <= count[key]; i++) {
		scale = most[key] > 0 ? WIDTH / most[key] : 0
		over = limit[key, i] != "" && value[key, i] > limit[key, i] + 0
		text(LABEL - 6, y + BAR - 5, subject[key, i], " text-anchor=\"end\"")
		body = body sprintf("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABEL, y + 2,
			value[key, i] > 0 ? value[key, i] * scale : 0, BAR - 4, over ? "#c0392b" : "#4a7fb5")
		if (limit[key, i] != "")
			line(LABEL + limit[key, i] * scale, y, LABEL + limit[key, i] * scale, y + BAR, 2)
		text(LABEL + WIDTH + 8, y + BAR - 5, shown[key, i], "")
		y += BAR
	}
}
function curves(key,    i, n, path, color, px, py, s, names) {
	line(LABEL, y + HEIGHT, LABEL + WIDTH, y + HEIGHT, 1)
	line(LABEL, y, LABEL, y + HEIGHT, 1)
	text(LABEL - 6, y + 10, most[key] " " unit[key], " text-anchor=\"end\"")
	text(LABEL + WIDTH, y + HEIGHT + 14, far[key], " text-anchor=\"end\"")
	for (i = 1; i <= count[key]; i++) {
		s = subject[key, i]
		if (!(s in path)) {
			names[++n] = s
			color[s] = COLOR[(n - 1) % 3 + 1]
		}
		px = LABEL + at[key, i] * WIDTH / far[key]
		py = y + HEIGHT - (most[key] > 0 ? value[key, i] * HEIGHT / most[key] : 0)
		path[s] = path[s] sprintf("%.1f,%.1f ", px, py)
		body = body sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px, py, color[s])
	}
	for (i = 1; i <= n; i++) {
		s = names[i]
		body = body sprintf("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path[s], color[s])
		text(LABEL + WIDTH + 8, y + 14 * i, s, sprintf(" fill=\"%s\"", color[s]))
	}
	y += HEIGHT + 18
}
BEGIN {
	FS = "\t"
	LABEL = 190; WIDTH = 420; BAR = 18; HEIGHT = 120; y = 10
	COLOR[1] = "#999999"; COLOR[2] = "#4a7fb5"; COLOR[3] = "#2e8b57"
}
{
	key = $1 ": " $2
	if (!(key in count))
		order[++panels] = key
	i = ++count[key]
	subject[key, i] = $3
	value[key, i] = $4 + 0
	unit[key] = $5
	shown[key, i] = $4 " " $5
	limit[key, i] = $6
	at[key, i] = $7
	if ($7 + 0 > far[key])
		far[key] = $7 + 0
	top = $4 + 0 > $6 + 0 ? $4 + 0 : $6 + 0
	if (top > most[key])
		most[key] = top
}
END {
	for (p = 1; p <= panels; p++) {
		key = order[p]
		y += 24
		text(10, y, key, " font-weight=\"bold\"")
		y += 8
		if (far[key])
			curves(key)
		else
			bars(key)
	}
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
		LABEL + WIDTH + 120, y + 20
	printf "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n%s</svg>\n", body
}
