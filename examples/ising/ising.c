/* ising: the two-dimensional Ising model, one temperature and one seed at a time.
 *
 *   ising simulate T SEED FILE     writes "T SEED |m| e": means per spin of magnetisation and energy
 *   ising mean OUT FILE...         writes "T |m| error e error" over the files' seeds
 *
 * A square lattice with periodic edges, J = k = 1. Single-cluster updates (U. Wolff, 1989) stay quick at
 * the critical temperature, where flipping one spin at a time all but stands still. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, N_SPINS = SIDE * SIDE, WARM_UP = 100, SWEEPS = 900 };

struct lattice
{
    int8_t spin[N_SPINS];
    int stack[N_SPINS]; /* spins of the cluster whose neighbours are still to be asked */
    uint64_t random;
    uint64_t bond; /* a like neighbour joins when 32 random bits are below this */
};

/* splitmix64 (Steele, Lea, Flood, 2014) */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void neighbours_of(int site, int neighbour[4])
{
    int row = site - site % SIDE;
    neighbour[0] = row + (site + 1) % SIDE;
    neighbour[1] = row + (site + SIDE - 1) % SIDE;
    neighbour[2] = (site + SIDE) % N_SPINS;
    neighbour[3] = (site + N_SPINS - SIDE) % N_SPINS;
}

/* Flips one cluster; returns how many spins that were. */
static int cluster_flip(struct lattice *l)
{
    int site = (int)(random_next(&l->random) % N_SPINS);
    int8_t up = l->spin[site];
    int n_stack = 0, n_flipped = 1;

    l->spin[site] = -up;
    l->stack[n_stack++] = site;
    while (n_stack > 0) {
        int neighbour[4];
        neighbours_of(l->stack[--n_stack], neighbour);
        for (int i = 0; i < 4; i++) {
            if (l->spin[neighbour[i]] == up && random_next(&l->random) >> 32 < l->bond) {
                l->spin[neighbour[i]] = -up;
                l->stack[n_stack++] = neighbour[i];
                n_flipped++;
            }
        }
    }
    return n_flipped;
}

static void lattice_measure(const struct lattice *l, double *m, double *e)
{
    int sum = 0, bonds = 0;
    for (int site = 0; site < N_SPINS; site++) {
        int neighbour[4];
        neighbours_of(site, neighbour);
        sum += l->spin[site];
        bonds += l->spin[site] * (l->spin[neighbour[0]] + l->spin[neighbour[2]]);
    }
    *m += fabs((double)sum) / N_SPINS;
    *e -= (double)bonds / N_SPINS;
}

static int simulate(const char *temperature, const char *seed, const char *path)
{
    static struct lattice l;
    double t = strtod(temperature, NULL), m = 0, e = 0;
    if (!(t > 0)) {
        fprintf(stderr, "ising: a temperature is a number above 0, not '%s'\n", temperature);
        return 2;
    }
    l.random = strtoull(seed, NULL, 10) * 0x5851f42d4c957f2du + (uint64_t)(t * 1e6);
    l.bond = (uint64_t)((1 - exp(-2 / t)) * 4294967296.0);
    memset(l.spin, 1, sizeof l.spin);

    /* A sweep is as many clusters as flip every spin once on average. Their number is settled while
     * warming up: a sum that stopped at a given amount of work would be biased towards small clusters. */
    int n_clusters = 0;
    for (long n_flipped = 0; n_flipped < (long)WARM_UP * N_SPINS; n_clusters++)
        n_flipped += cluster_flip(&l);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int i = 0; i < n_clusters; i += WARM_UP)
            cluster_flip(&l);
        lattice_measure(&l, &m, &e);
    }

    FILE *file = fopen(path, "w");
    if (file)
        fprintf(file, "%s %s %.6f %.6f\n", temperature, seed, m / SWEEPS, e / SWEEPS);
    if (!file || fclose(file) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

static double standard_error(double sum, double squares, int n)
{
    return n > 1 ? sqrt(fmax(squares - sum * sum / n, 0) / (n - 1) / n) : 0;
}

static int mean(int n, char **paths, const char *out)
{
    double t = 0, m, e, sum_m = 0, sum_mm = 0, sum_e = 0, sum_ee = 0;
    for (int i = 0; i < n; i++) {
        FILE *file = fopen(paths[i], "r");
        if (!file || fscanf(file, "%lf %*s %lf %lf", &t, &m, &e) != 3) {
            fprintf(stderr, "ising: %s is not what `ising simulate` writes\n", paths[i]);
            return 1;
        }
        fclose(file);
        sum_m += m, sum_mm += m * m;
        sum_e += e, sum_ee += e * e;
    }
    FILE *file = fopen(out, "w");
    if (file)
        fprintf(file, "%.3f %.6f %.6f %.6f %.6f\n", t, sum_m / n, standard_error(sum_m, sum_mm, n),
                sum_e / n, standard_error(sum_e, sum_ee, n));
    if (!file || fclose(file) != 0) {
        perror(out);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "simulate") == 0)
        return simulate(argv[2], argv[3], argv[4]);
    if (argc >= 4 && strcmp(argv[1], "mean") == 0)
        return mean(argc - 3, argv + 3, argv[2]);
    fprintf(stderr, "usage: ising simulate T SEED FILE | ising mean OUT FILE...\n");
    return 2;
}
