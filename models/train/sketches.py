"""Rough sketches of finished pictures, of the kinds that painters make.

`make_sketch` takes a picture and its map of segments and returns a picture of the same size: flat discs, bands,
blobs and strokes of single colours, sometimes only some of them, sometimes over a finished picture.
"""

import cv2
import numpy as np

WHITE = 255
PALETTE = np.array([
    (230, 30, 30), (200, 30, 50), (255, 90, 60), (255, 150, 30), (255, 200, 40), (255, 235, 60), (160, 210, 60), (60, 170, 60),
    (30, 110, 50), (60, 200, 170), (100, 190, 240), (40, 110, 220), (20, 40, 120), (130, 70, 190), (230, 120, 190), (250, 190, 200),
    (120, 70, 35), (170, 110, 60), (225, 190, 140), (245, 225, 190), (20, 20, 25), (90, 90, 95), (160, 160, 165), (215, 215, 220), (255, 255, 255),
], np.float32)


class Region:
    """One segment as the painter sees it: where it is and the one colour that stands for it."""

    def __init__(self, mask, colour):
        self.mask, self.colour, self.area = mask, colour, int(mask.sum())


def find_regions(image, labels, random, smallest):
    """The segments larger than `smallest` (a share of the picture), largest first, in painters' colours."""
    regions = []
    snap = random.random() < 0.35
    boost = random.uniform(0.85, 1.4)
    wander = random.choice([4, 10, 22])
    for label in np.unique(labels):
        if label == 0:
            continue
        mask = (labels == label).astype(np.uint8)
        if mask.sum() < smallest * mask.size:
            continue
        pixels = image[mask > 0]
        colour = np.median(pixels, 0) if random.random() < 0.5 else pixels.mean(0)
        colour = colour.mean() + (colour - colour.mean()) * boost + random.normal(0, wander, 3)
        if snap:
            colour = PALETTE[np.abs(PALETTE - colour).sum(1).argmin()] + random.normal(0, 4, 3)
        regions.append(Region(mask, np.clip(colour, 0, 255)))
    return sorted(regions, key=lambda region: -region.area)


def displacement(random, size, strength, cells):
    """A smooth random displacement field, as the two maps that cv2.remap wants."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    fields = [cv2.resize(random.standard_normal((cells, cells)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC) for _ in range(2)]
    return columns + strength * fields[0], rows + strength * fields[1]


def paint_wobbly(sheet, regions, random, radius=None, wander=None):
    """Every segment as one flat blob with simplified edges that wander by some pixels."""
    size = sheet.shape[0]
    radius = radius or random.uniform(1.5, 9)
    wander = random.uniform(1, 5) if wander is None else wander
    maps = displacement(random, size, wander, int(random.integers(3, 9)))
    covered = np.full((size, size), 0.5, np.float32)
    for region in regions:
        soft = cv2.GaussianBlur(region.mask.astype(np.float32), (0, 0), radius if region.area > 900 else radius * 0.4)
        soft = cv2.remap(soft, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        wins = soft > np.minimum(covered, 0.42 if region.area < 4000 else 0.5)
        sheet[wins] = region.colour
        covered = np.where(wins, np.maximum(soft, covered * 0.5), covered)


def paint_shapes(sheet, regions, random):
    """Every connected part as one simple shape: ellipse, box, hull, triangle or coarse polygon."""
    shapes = []
    smallest = random.choice([60, 150, 400])
    for region in regions:
        count, components, stats, _ = cv2.connectedComponentsWithStats(region.mask)
        for index in range(1, count):
            if stats[index, cv2.CC_STAT_AREA] >= smallest:
                shapes.append((int(stats[index, 2]) * int(stats[index, 3]), (components == index).astype(np.uint8), region.colour))
    for _, mask, colour in sorted(shapes, key=lambda shape: -shape[0])[:14]:
        contour = max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
        shift = random.normal(0, 1.5, 2)
        choice = random.random()
        if choice < 0.45 and len(contour) >= 5:
            moments = cv2.moments(mask, True)
            centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"] + shift
            covariance = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / moments["m00"]
            values, vectors = np.linalg.eigh(covariance)
            axes = 2 * np.sqrt(np.maximum(values, 1)) * random.uniform(0.93, 1.06, 2)
            angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
            cv2.ellipse(sheet, tuple(centre.round().astype(int).tolist()), (max(2, int(axes[1])), max(2, int(axes[0]))), angle, 0, 360, colour.tolist(), -1, cv2.LINE_AA)
            continue
        if choice < 0.62:
            points = cv2.boxPoints(cv2.minAreaRect(contour))
        elif choice < 0.82:
            points = cv2.convexHull(contour)[:, 0].astype(np.float32)
        elif choice < 0.9 and len(contour) > 6:
            triangle = cv2.minEnclosingTriangle(contour.astype(np.float32))[1]
            points = triangle.reshape(-1, 2) if triangle is not None else contour[:, 0].astype(np.float32)
        else:
            points = cv2.approxPolyDP(contour, random.uniform(0.01, 0.05) * cv2.arcLength(contour, True), True)[:, 0].astype(np.float32)
        middle = points.mean(0)
        points = middle + (points - middle) * random.uniform(0.9, 1.06) + shift + random.normal(0, 1.5, points.shape)
        cv2.fillPoly(sheet, [points.round().astype(np.int32)], colour.tolist(), cv2.LINE_AA)


def paint_strokes(sheet, regions, random):
    """Every segment filled with parallel strokes of a round brush, with overshoot and gaps."""
    size = sheet.shape[0]
    sideways = random.random() < 0.6
    for region in regions:
        side = np.sqrt(region.area)
        brush = float(np.clip(random.uniform(0.1, 0.35) * side, 2.5, 24))
        angle = random.normal(0, 6) if sideways or region.area > 0.1 * size * size else random.uniform(0, 180)
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), angle, 1.0)
        back = cv2.invertAffineTransform(turn)
        mask = cv2.warpAffine(region.mask, turn, (size, size), flags=cv2.INTER_NEAREST)
        rows = np.flatnonzero(mask.any(1))
        if not len(rows):
            continue
        spacing = brush * random.uniform(1.0, 1.9)
        for row in np.arange(rows[0] + brush * 0.7, max(rows[-1] - brush * 0.5, rows[0] + brush * 0.7 + 1), spacing):
            line = mask[min(int(row), size - 1)]
            edges = np.flatnonzero(np.diff(np.concatenate([[0], line, [0]])))
            for start, end in edges.reshape(-1, 2):
                if end - start < brush * 0.5 or random.random() < 0.04:
                    continue
                inset = min(brush * 0.7, (end - start) / 2.2)
                xs = np.linspace(start + inset + random.normal(0, 2.5), end - inset + random.normal(0, 2.5), 5)
                ys = row + random.normal(0, brush * 0.12, 5) + random.normal(0, 1)
                points = back @ np.stack([xs, ys, np.ones(5)])
                cv2.polylines(sheet, [points.T.round().astype(np.int32)], False, region.colour.tolist(), max(2, int(2 * brush * random.uniform(0.85, 1.1))), cv2.LINE_AA)


def paint_cells(image, random):
    """The picture averaged to a few cells and a few colours, blocky or soft."""
    size = image.shape[0]
    cells = int(random.integers(8, 21))
    small = cv2.resize(image.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    count = int(random.integers(3, 8))
    _, nearest, centres = cv2.kmeans(small.reshape(-1, 3), count, None, (3, 8, 1.0), 1, cv2.KMEANS_PP_CENTERS)
    flat = centres[nearest.ravel()].reshape(cells, cells, 3)
    method = random.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
    return cv2.resize(flat, (size, size), interpolation=int(method))


def blob_mask(random, size):
    """A soft-edged random area, as wide brush strokes would cover."""
    mask = np.zeros((size, size), np.float32)
    x, y = random.uniform(0.15, 0.85, 2) * size
    width = int(random.uniform(0.12, 0.4) * size)
    points = [(x, y)]
    for _ in range(random.integers(1, 5)):
        points.append((points[-1][0] + random.normal(0, 0.2) * size, points[-1][1] + random.normal(0, 0.12) * size))
    cv2.polylines(mask, [np.array(points, np.int32)], False, 1.0, width, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), random.uniform(0.5, 4))[..., None]


def merge_parts(labels, parts, random, simple):
    """Joins the parts of each object, so that it is drawn in one to four colours."""
    labels = labels.copy()
    for colours in parts:
        keep = int(random.choice([1, 2, 3, 4, 6], p=[0.3, 0.45, 0.25, 0, 0] if simple else [0.22, 0.28, 0.24, 0.16, 0.1]))
        groups = {label: (np.asarray(colour, np.float32), float((labels == label).sum())) for label, colour in colours.items()}
        groups = {label: group for label, group in groups.items() if group[1] > 0}
        while len(groups) > keep:
            names = list(groups)
            small = min(names, key=lambda label: groups[label][1])
            near = min((name for name in names if name != small), key=lambda name: np.abs(groups[name][0] - groups[small][0]).sum())
            labels[labels == small] = near
            total = groups[near][1] + groups[small][1]
            groups[near] = ((groups[near][0] * groups[near][1] + groups[small][0] * groups[small][1]) / total, total)
            del groups[small]
    return labels


def make_sketch(image, labels, parts, paper, random, simple=False, faithful=False):
    """A sketch of a picture.

    `labels` says which segment a pixel belongs to, 0 being bare ground of the colour `paper` (None where the
    picture has no bare ground); `parts` lists, for each object, the labels of its parts and their colours. A
    `simple` sketch has few and large shapes only. A `faithful` one has its edges where the picture has them: from
    rough ones alone a network learns that an edge may be anywhere near, and paints it soft.
    """
    size = image.shape[0]
    kind = random.random()
    image = image.astype(np.float32)
    if kind < 0.07 and not simple and not faithful:
        sketch = paint_cells(image, random)
        return finish(sketch, random)
    ground = np.asarray(paper if paper is not None else (WHITE,) * 3, np.float32)
    merged = merge_parts(labels, parts, random, simple)
    smallest = random.choice([0.0012, 0.004, 0.008]) if faithful else random.choice([0.006, 0.015, 0.03] if simple else [0.0012, 0.004, 0.012])
    regions = find_regions(image, merged, random, smallest)
    if faithful:
        sheet = np.tile(ground, (size, size, 1)).astype(np.float32)
        paint_wobbly(sheet, regions, random, np.exp(random.uniform(-0.2, 1.8)), random.uniform(0, 1.2))
        return np.clip(cv2.GaussianBlur(sheet, (0, 0), random.uniform(0.6, 1.5)), 0, 255)
    if random.random() < (0.15 if simple else 0.35) and len(regions) > 1:
        dropped = random.uniform(0.1, 0.45)
        regions = [region for index, region in enumerate(regions) if random.random() > dropped or (index == 0 and random.random() < 0.8)] or regions[:1]
    sheet = np.tile(ground, (size, size, 1)).astype(np.float32)
    if kind < 0.40:
        paint_wobbly(sheet, regions, random, random.uniform(6, 14) if simple else None)
    elif kind < (0.85 if simple else 0.70) and paper is not None:
        paint_shapes(sheet, regions, random)
    elif kind < 0.62:
        large = [region for region in regions if region.area > 0.06 * size * size]
        small = [region for region in regions if region.area <= 0.06 * size * size]
        (paint_wobbly if random.random() < 0.5 else paint_strokes)(sheet, large, random)
        paint_shapes(sheet, small, random)
    else:
        paint_strokes(sheet, regions, random)
    sheet = finish(sheet, random)
    if not simple and random.random() < (0.12 if paper is None else 0.05):
        mask = blob_mask(random, size)
        sheet = image * (1 - mask) + sheet * mask
    return sheet


def finish(sheet, random):
    """Soft brush edges, a small shift, and now and then a stray stroke."""
    size = sheet.shape[0]
    if random.random() < 0.08:
        points = random.uniform(0, size, (3, 2)).astype(np.int32)
        cv2.polylines(sheet, [points], False, PALETTE[random.integers(len(PALETTE))].tolist(), int(random.integers(3, 14)), cv2.LINE_AA)
    soft = random.random()
    if soft > 0.3:
        sheet = cv2.GaussianBlur(sheet, (0, 0), random.uniform(0.6, 1.8) if soft < 0.8 else random.uniform(1.8, 5))
    if random.random() < 0.5:
        scale, shift = random.uniform(0.985, 1.015), random.normal(0, 1.2, 2)
        matrix = np.array([[scale, 0, shift[0] + size / 2 * (1 - scale)], [0, scale, shift[1] + size / 2 * (1 - scale)]])
        sheet = cv2.warpAffine(sheet, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(sheet, 0, 255)
