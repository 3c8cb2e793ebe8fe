/* Vectors of LANES numbers, 8 or 16, which are made of items of two bytes and become such again: what
 * loops need of one processor. Included by who defines LANES, after <immintrin.h>; NAME gives each
 * processor's functions names of their own.
 *
 * What comes out has the bytes of conversions.h, but that a NaN may become a quiet one early: so it
 * has to go through arithmetic, which makes it one anyway, before it is rounded. */
#if LANES == 16
#ifdef OWN_ROUNDING /* the processor rounds to bfloat16 by itself */
#define NAME(name) name##_own
#define FOR __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#else
#define NAME(name) name##_512
#define FOR __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#endif
#define V __m512  /* numbers */
#define D __m512d /* half as many, in float64 */
#define RAW __m256i /* the items that they were */
#define SPREAD_F(number) _mm512_set1_ps(number)
#define SPREAD_D(number) _mm512_set1_pd(number)
#define LOAD_F(from) _mm512_loadu_ps(from)
#define LOAD_D(from) _mm512_loadu_pd(from)
#define STORE_F(to, v) _mm512_storeu_ps(to, v)
#define STORE_D(to, v) _mm512_storeu_pd(to, v)
#define LOAD_RAW(from) _mm256_loadu_si256((const __m256i *)(const void *)(from))
#define STORE_RAW(to, raw) _mm256_storeu_si256((__m256i *)(void *)(to), raw)
#define DOUBLES(from) _mm512_cvtps_pd(_mm256_loadu_ps(from))

static INLINE FOR V NAME(widen)(int brain, RAW raw)
{
    if (!brain) return _mm512_cvtph_ps(raw);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
}

static INLINE FOR RAW NAME(upper_halves)(V v)
{
    const __m512i bits = _mm512_castps_si512(v), upper = _mm512_srli_epi32(bits, 16);
    const __m512i even = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 none = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_srli_epi32(sum, 16);
    return _mm512_cvtepi32_epi16(
        _mm512_mask_or_epi32(rounded, none, upper, _mm512_set1_epi32(0x40)));
}

#ifdef OWN_ROUNDING
static FOR __attribute__((noinline)) RAW NAME(upper_halves_of_small)(V v)
{
    return NAME(upper_halves)(v);
}
#endif

static INLINE FOR RAW NAME(narrow)(int brain, V v)
{
    if (!brain) return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#ifdef OWN_ROUNDING
    const RAW rounded = (RAW)_mm512_cvtneps_pbh(v); /* has zeros for what has no exponent */
    const int small = _mm512_fpclass_ps_mask(v, 0x20) != 0;
    return __builtin_expect(small, 0) ? NAME(upper_halves_of_small)(v) : rounded;
#else
    return NAME(upper_halves)(v);
#endif
}

/* The first `n` items, less than LANES; zeros stand for the others. */
static INLINE FOR RAW NAME(load_some)(const uint16_t *x, ptrdiff_t n)
{
    return _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), x);
}

static INLINE FOR void NAME(store_some)(uint16_t *y, RAW raw, ptrdiff_t n)
{
    _mm256_mask_storeu_epi16(y, (__mmask16)((1u << n) - 1), raw);
}

static INLINE FOR V NAME(load_some_f)(const float *x, ptrdiff_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), x);
}

/* The first `n` numbers, and zeros. */
static INLINE FOR V NAME(keep_f)(V v, ptrdiff_t n)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v);
}

static INLINE FOR D NAME(keep_d)(D d, ptrdiff_t n)
{
    return _mm512_maskz_mov_pd((__mmask8)((1u << n) - 1), d);
}

/* The sums of 16 lanes, as halves of them are added to the others again and again. */
static INLINE FOR float NAME(folded)(const V *sums)
{
    const __m256 eight = _mm512_castps512_ps256(*sums) + _mm512_extractf32x8_ps(*sums, 1);
    const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
    const __m128 two = four + _mm_movehl_ps(four, four);
    return _mm_cvtss_f32(two + _mm_shuffle_ps(two, two, 1));
}
#else
#define NAME(name) name##_256
#define FOR __attribute__((target("avx2,f16c")))
#define V __m256
#define D __m256d
#define RAW __m128i
#define SPREAD_F(number) _mm256_set1_ps(number)
#define SPREAD_D(number) _mm256_set1_pd(number)
#define LOAD_F(from) _mm256_loadu_ps(from)
#define LOAD_D(from) _mm256_loadu_pd(from)
#define STORE_F(to, v) _mm256_storeu_ps(to, v)
#define STORE_D(to, v) _mm256_storeu_pd(to, v)
#define LOAD_RAW(from) _mm_loadu_si128((const __m128i *)(const void *)(from))
#define STORE_RAW(to, raw) _mm_storeu_si128((__m128i *)(void *)(to), raw)
#define DOUBLES(from) _mm256_cvtps_pd(_mm_loadu_ps(from))

static const int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

static INLINE FOR V NAME(widen)(int brain, RAW raw)
{
    if (!brain) return _mm256_cvtph_ps(raw);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
}

static INLINE FOR RAW NAME(narrow)(int brain, V v)
{
    if (!brain) return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256i bits = _mm256_castps_si256(v), upper = _mm256_srli_epi32(bits, 16);
    const __m256i even = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF)));
    const __m256i rounded = _mm256_srli_epi32(sum, 16);
    const __m256i none = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i found = _mm256_blendv_epi8(rounded, quiet, none);
    return _mm256_castsi256_si128(
        _mm256_permute4x64_epi64(_mm256_packus_epi32(found, found), 0x08));
}

static INLINE FOR RAW NAME(load_some)(const uint16_t *x, ptrdiff_t n)
{
    uint16_t items[8] = {0};
    for (ptrdiff_t i = 0; i < n; i++) items[i] = x[i];
    return LOAD_RAW(items);
}

static INLINE FOR void NAME(store_some)(uint16_t *y, RAW raw, ptrdiff_t n)
{
    uint16_t items[8];
    STORE_RAW(items, raw);
    for (ptrdiff_t i = 0; i < n; i++) y[i] = items[i];
}

static INLINE FOR V NAME(load_some_f)(const float *x, ptrdiff_t n)
{
    return _mm256_maskload_ps(x, _mm256_loadu_si256((const __m256i *)(first_lanes + 8 - n)));
}

static INLINE FOR V NAME(keep_f)(V v, ptrdiff_t n)
{
    return _mm256_and_ps(v, _mm256_loadu_ps((const float *)(first_lanes + 8 - n)));
}

static INLINE FOR D NAME(keep_d)(D d, ptrdiff_t n)
{
    return _mm256_and_pd(d, _mm256_loadu_pd((const double *)(first_lanes + 8 - 2 * n)));
}

static INLINE FOR float NAME(folded)(const V *sums)
{
    const __m256 eight = sums[0] + sums[1];
    const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
    const __m128 two = four + _mm_movehl_ps(four, four);
    return _mm_cvtss_f32(two + _mm_shuffle_ps(two, two, 1));
}
#endif

/* Items of which there may be less than LANES, as numbers. */
static INLINE FOR V NAME(take)(int brain, const uint16_t *x, ptrdiff_t n)
{
    return NAME(widen)(brain, n >= LANES ? LOAD_RAW(x) : NAME(load_some)(x, n));
}

static INLINE FOR void NAME(put)(int brain, uint16_t *y, V v, ptrdiff_t n)
{
    const RAW raw = NAME(narrow)(brain, v);
    if (n >= LANES)
        STORE_RAW(y, raw);
    else
        NAME(store_some)(y, raw, n);
}
