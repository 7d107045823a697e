# gnuplot -c plot.gp FOLDER: reads FOLDER/means.dat, draws FOLDER/ising.svg and a sketch on the terminal.
means = ARG1."/means.dat"
Tc = 2 / log(1 + sqrt(2))

# The exact curve m = (1 - sinh(2/T)^-4)^(1/8) is vertical at Tc, so it is drawn as T over m; m < 0 stands
# for what follows Tc, where there is no magnetisation.
exact_T(m) = m < 0 ? Tc - m : 2 / asinh((1 - m**8)**-0.25)
exact_m(m) = m < 0 ? 0 : m

set xrange [1.3:3.6]
set yrange [0:1.08]
set samples 401
set key off

set terminal dumb size 78, 22 noenhanced
set title "magnetisation per spin against temperature (|: exact critical temperature)"
set arrow 1 from Tc, 0 to Tc, 1.08 nohead
set xtics 0.5
set ytics 0.2
plot means using 1:2 with points pointtype "o"

set terminal svg size 760, 480 enhanced font "Helvetica,Arial,sans-serif,15" background "white"
set output ARG1."/ising.svg"
set title "{/:Bold Ising model: the magnet melts at T_c}" offset 0, 0.3
set xlabel "temperature  {/:Italic k_B T / J}"
set ylabel "magnetisation per spin  ⟨|{/:Italic m}|⟩"
set border 3 linecolor rgb "#444444"
set tics nomirror textcolor rgb "#444444"
set grid linecolor rgb "#e8e8e8" linetype 1 linewidth 1
set arrow 1 from Tc, 0 to Tc, 1.08 nohead dashtype 2 linewidth 1.5 linecolor rgb "#888888"
set label 1 "T_c = 2 / ln(1 + √2) = 2.269" at Tc, 1.02 offset 1, 0 textcolor rgb "#666666"
set key at graph 0.99, 0.80 right top samplen 2 spacing 1.4 reverse Left
plot sample [-1.33 : 0.9945] "+" using (exact_T($1)):(exact_m($1)) with lines \
        linewidth 3 linecolor rgb "#7fb3d5" title "exact (Onsager, Yang)", \
    means using 1:2:3 with yerrorbars pointtype 7 pointsize 0.6 linewidth 1.5 linecolor rgb "#c0392b" \
        title "64 × 64 spins, mean of 10 seeds"
