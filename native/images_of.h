/* All images of a sheet, for one type: see windows_of.h. */

static int NAME(images)(int average, const T *x, T *out, const sheet *s)
{
    const window *w = &s->cell;
    ptrdiff_t width = s->cells * s->items, columns = 0, all;
    int many = s->row.size > JOINED;
    pieces cut;
    if (cut_rows(s, &cut) || (many && TIMES(s->row.count, width, &columns))) return -1;
    const ptrdiff_t step = cut.step, piece = cut.piece;
    const ptrdiff_t held[2] = {5 * (ptrdiff_t)sizeof(A), piece};
    if (product_of(held, 2, &all) || TIMES(columns, (ptrdiff_t)sizeof(C), &columns)) return -1;
    if (PLUS(all, columns, &all)) return -1;
    A *memory = malloc((size_t)all);
    if (!memory) return -1;
    A *spare[5] = {memory, memory + piece, memory + 2 * piece, memory + 3 * piece,
                   memory + 4 * piece};
    C *mid = (C *)(memory + 5 * piece);
    int bad = 0;
    for (ptrdiff_t image = 0; image < s->images; image++)
        for (ptrdiff_t p = 0; p < s->plane.count; p++) {
            const T *plane = x + image * s->planes * s->rows * width;
            ptrdiff_t z = p * s->plane.stride - s->plane.low;
            ptrdiff_t z0 = first_from(z, s->plane.dilation, 0);
            ptrdiff_t z1 = LEAST(z + extent_of(&s->plane), s->planes);
            double outer = AVERAGES(average) ? divisor_of(&s->plane, p, s->planes) : 1;
            if (many) COLUMNS(average, plane + z0 * s->rows * width, s, (C *)memory, mid);
            for (ptrdiff_t r = 0; r < s->row.count; r++) {
                ptrdiff_t y = r * s->row.stride - s->row.low;
                ptrdiff_t y0 = first_from(y, s->row.dilation, 0), count = 0;
                ptrdiff_t y1 = LEAST(y + extent_of(&s->row), s->rows);
                double divisor = AVERAGES(average) ? outer * divisor_of(&s->row, r, s->rows) : 1;
                const T *rows[JOINED];
                const C *joined = many ? mid + r * width : 0;
                for (ptrdiff_t k = z0; k < z1 && !many; k += s->plane.dilation)
                    for (ptrdiff_t j = y0; j < y1; j += s->row.dilation)
                        rows[count++] = plane + (k * s->rows + j) * width;
                bad |= NAME(make_row)(average, rows, count, divisor, joined, s, step, spare, out);
                out += w->count * s->items;
            }
        }
    free(memory);
    return bad;
}

static int NAME(one_image)(const void *call, const void *x, void *out, ptrdiff_t items)
{
    const joining *k = call;
    sheet s = *k->s;
    s.images = 1, s.items = items;
    return NAME(images)(k->average, x, out, &s);
}

static int NAME(windows)(int average, const T *x, T *out, const sheet *s)
{
    const ptrdiff_t read = s->planes * s->rows * s->cells * s->items;
    const ptrdiff_t made = s->plane.count * s->row.count * s->cell.count * s->items;
    const small_images small = {s->images, s->items, s->cells * s->items, read, made, sizeof(T)};
    const joining call = {average, s};
    if (!are_small(&small)) return NAME(images)(average, x, out, s);
    return side_by_side_images(NAME(one_image), &call, x, out, &small);
}
