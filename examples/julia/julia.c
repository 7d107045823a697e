/* julia: a picture in tiles. Each tile is a task; the last task waits for all of them, gets their pixels in the order
 * in which it declared them, and writes a PNG. README.md shows how to run it. */
#include <complex.h>
#include <ganger.h>
#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1280
#define HEIGHT 768
#define TILE 128 /* pixels on each side, three bytes each: 48 KiB, and 64 KiB is the most that a task may return */
#define MOST_ITERATIONS 1000
#define SAMPLES 2 /* on each side of a pixel */

/* What a task is told; machines of one run are of one kind, so a struct will do. */
struct tile
{
    int x, y, size;
};

struct picture
{
    int size; /* of its tiles */
    char path[1000];
};

struct pixel
{
    uint8_t r, g, b;
};

/* How many steps of z -> z^2 + c it takes to leave the circle |z| = 256, as a real number; 0: it stays. */
static double escape(double complex z)
{
    const double complex c = -0.79 + 0.1575 * I;

    for (int i = 1; i <= MOST_ITERATIONS; i++) {
        double square = creal(z) * creal(z) + cimag(z) * cimag(z);

        if (square > 65536.0)
            return i + 1 - log2(0.5 * log2(square));
        z = z * z + c;
    }
    return 0.0;
}

/* A cycle of colours along the logarithm of the steps; what stays is black. */
static void add_colour(double steps, double rgb[3])
{
    static const double phase[3] = {0.55, 0.65, 0.80};

    for (int i = 0; steps > 0.0 && i < 3; i++)
        rgb[i] += 0.5 + 0.5 * cos(6.2832 * (0.55 * log2(steps + 1.0) + phase[i]));
}

static struct pixel pixel_at(int x, int y)
{
    double rgb[3] = {0.0, 0.0, 0.0};
    uint8_t bytes[3];

    for (int row = 0; row < SAMPLES; row++) {
        for (int column = 0; column < SAMPLES; column++) {
            double px = x + (column + 0.5) / SAMPLES - WIDTH / 2.0;
            double py = y + (row + 0.5) / SAMPLES - HEIGHT / 2.0;

            add_colour(escape(px * 2.4 / HEIGHT + py * 2.4 / HEIGHT * I), rgb);
        }
    }
    for (int i = 0; i < 3; i++)
        bytes[i] = (uint8_t)(255.0 * sqrt(rgb[i] / (SAMPLES * SAMPLES)) + 0.5);
    return (struct pixel){bytes[0], bytes[1], bytes[2]};
}

static int tile(struct ganger_call *call)
{
    size_t n;
    const struct tile *t = ganger_call_payload(call, &n);
    struct pixel *pixels = ganger_call_reserve(call, sizeof(*pixels) * (size_t)t->size * (size_t)t->size);

    if (pixels == NULL)
        return ganger_call_fail(call, "a tile of %d x %d pixels is too large", t->size, t->size);
    for (int y = 0; y < t->size; y++) {
        for (int x = 0; x < t->size; x++)
            *pixels++ = pixel_at(t->x + x, t->y + y);
    }
    return 0;
}

/* Copies each tile to its place: their order is that of `build`. */
static struct pixel *gather(struct ganger_call *call, int size)
{
    struct pixel *picture = malloc(sizeof(*picture) * WIDTH * HEIGHT);
    size_t tiles_per_row = (size_t)(WIDTH / size);

    for (size_t i = 0; picture != NULL && i < ganger_call_n_dependencies(call); i++) {
        size_t n;
        const struct pixel *from = ganger_call_dependency(call, i, &n);
        struct pixel *to = picture + i / tiles_per_row * (size_t)size * WIDTH + i % tiles_per_row * (size_t)size;

        for (int y = 0; y < size; y++)
            memcpy(to + y * WIDTH, from + y * size, sizeof(*from) * (size_t)size);
    }
    return picture;
}

static int assemble(struct ganger_call *call)
{
    size_t n;
    const struct picture *p = ganger_call_payload(call, &n);
    png_image png = {.version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT, .format = PNG_FORMAT_RGB};
    struct pixel *pixels = gather(call, p->size);
    int written;

    if (pixels == NULL)
        return ganger_call_fail(call, "no memory for %d x %d pixels", WIDTH, HEIGHT);
    written = png_image_write_to_file(&png, p->path, 0, pixels, 0, NULL);
    free(pixels);
    if (!written)
        return ganger_call_fail(call, "%s: %s", p->path, png.message);
    return ganger_call_printf(call, "%s: %d x %d pixels of %zu tiles\n", p->path, WIDTH, HEIGHT,
                              ganger_call_n_dependencies(call));
}

static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    struct picture picture = {.size = argc > 2 ? atoi(argv[2]) : TILE};
    ganger_task_number tiles[WIDTH * HEIGHT / 64];
    size_t n = 0;

    (void)data;
    snprintf(picture.path, sizeof(picture.path), "%s", argc > 1 ? argv[1] : "julia.png");
    if (picture.size < 8 || WIDTH % picture.size != 0 || HEIGHT % picture.size != 0)
        return ganger_workflow_refuse(w, "tiles of %d pixels do not fill %d x %d; say 8, 16, 32, 64 or 128",
                                      picture.size, WIDTH, HEIGHT);
    for (int y = 0; y < HEIGHT; y += picture.size) {
        for (int x = 0; x < WIDTH; x += picture.size) {
            struct tile t = {x, y, picture.size};
            char id[32];

            snprintf(id, sizeof(id), "tile-%d-%d", x, y);
            tiles[n++] = ganger_workflow_add(w, &(struct ganger_task){.id = id, .function = "tile",
                                                                      .payload = &t, .n_payload_bytes = sizeof(t)});
        }
    }
    ganger_workflow_add(w, &(struct ganger_task){.id = "picture", .function = "assemble", .payload = &picture,
                                                 .n_payload_bytes = sizeof(picture), .after = tiles, .n_after = n});
    return 0;
}

/* On the manager's rank, when all is over. */
static int finished(const struct ganger_run *run, void *data)
{
    size_t n;
    const char *text = ganger_run_result(run, ganger_run_find(run, "picture"), &n);

    (void)data;
    if (text != NULL)
        fputs(text, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct ganger_function functions[] = {{"tile", tile, 0}, {"assemble", assemble, 0}, {NULL, NULL, 0}};
    static const struct ganger_program program = {.functions = functions, .build = build, .finished = finished};

    return ganger_program_main(argc, argv, &program);
}
