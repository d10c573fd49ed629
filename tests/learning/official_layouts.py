"""Names and shapes in the official files of weights, from the papers' own tables of layers.

They follow the figures of Sun et al. 2019 (HRNet) and Xiao et al. 2018 (simple baseline), and the
module names of the published files; nothing here is read from the package or from timm.
"""

Shapes = dict[str, tuple[int, ...]]


def pose_hrnet(width: int, joints: int) -> Shapes:
    """``pose_hrnet_w<width>_*.pth``: four stages, the last with its finest output only."""
    return {
        **_convolution("conv1", 3, 64), **_norm("bn1", 64),
        **_convolution("conv2", 64, 64), **_norm("bn2", 64),
        **_bottlenecks("layer1", 64, 64, count=4),
        **_transition("transition1.0", 256, width),
        **_transition("transition1.1.0", 256, 2 * width),
        **_stage(2, width, modules=1),
        **_transition("transition2.2.0", 2 * width, 4 * width),
        **_stage(3, width, modules=4),
        **_transition("transition3.3.0", 4 * width, 8 * width),
        **_stage(4, width, modules=3),
        **_final(width, joints),
    }  # fmt: skip


def pose_resnet50(joints: int) -> Shapes:
    """``pose_resnet_50_*.pth``: ResNet-50 and three deconvolutions of 256 channels."""
    shapes = {**_convolution("conv1", 3, 64, size=7), **_norm("bn1", 64)}
    before = 64
    for layer, count in enumerate((3, 4, 6, 3)):
        shapes |= _bottlenecks(f"layer{layer + 1}", before, 64 << layer, count=count)
        before = 256 << layer
    for index in (0, 3, 6):
        shapes[f"deconv_layers.{index}.weight"] = (before, 256, 4, 4)
        shapes |= _norm(f"deconv_layers.{index + 1}", 256)
        before = 256
    return shapes | _final(256, joints)


def _stage(branches: int, width: int, *, modules: int) -> Shapes:
    shapes: Shapes = {}
    for module in range(modules):
        name = f"stage{branches}.{module}"
        for branch in range(branches):
            for block in range(4):
                shapes |= _basic(f"{name}.branches.{branch}.{block}", width << branch)
        last = (branches, module) == (4, modules - 1)
        for to in range(1 if last else branches):
            for source in range(branches):
                shapes |= _fusion(f"{name}.fuse_layers.{to}.{source}", source, to, width=width)
    return shapes


def _fusion(name: str, source: int, to: int, *, width: int) -> Shapes:
    """From one branch to another: 1 x 1 to a finer one, 3 x 3 of stride 2 for each step down."""
    if source > to:
        shapes = _convolution(f"{name}.0", width << source, width << to, size=1)
        return shapes | _norm(f"{name}.1", width << to)
    shapes = {}
    for step in range(to - source):
        after = width << (to if step == to - source - 1 else source)
        shapes |= _transition(f"{name}.{step}", width << source, after)
    return shapes


def _transition(name: str, before: int, after: int) -> Shapes:
    return {**_convolution(f"{name}.0", before, after), **_norm(f"{name}.1", after)}


def _basic(name: str, width: int) -> Shapes:
    return {
        **_convolution(f"{name}.conv1", width, width), **_norm(f"{name}.bn1", width),
        **_convolution(f"{name}.conv2", width, width), **_norm(f"{name}.bn2", width),
    }  # fmt: skip


def _bottlenecks(layer: str, before: int, width: int, *, count: int) -> Shapes:
    after = 4 * width
    shapes = {
        **_convolution(f"{layer}.0.downsample.0", before, after, size=1),
        **_norm(f"{layer}.0.downsample.1", after),
    }
    for name in (f"{layer}.{block}" for block in range(count)):
        shapes |= {
            **_convolution(f"{name}.conv1", before, width, size=1), **_norm(f"{name}.bn1", width),
            **_convolution(f"{name}.conv2", width, width), **_norm(f"{name}.bn2", width),
            **_convolution(f"{name}.conv3", width, after, size=1), **_norm(f"{name}.bn3", after),
        }  # fmt: skip
        before = after
    return shapes


def _convolution(name: str, before: int, after: int, *, size: int = 3) -> Shapes:
    return {f"{name}.weight": (after, before, size, size)}


def _norm(name: str, width: int) -> Shapes:
    tensors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.num_batches_tracked": (), **{f"{name}.{each}": (width,) for each in tensors}}


def _final(width: int, joints: int) -> Shapes:
    return {"final_layer.weight": (joints, width, 1, 1), "final_layer.bias": (joints,)}
