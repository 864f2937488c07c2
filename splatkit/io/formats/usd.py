"""USDZ, Universal Scene Description in one file (Pixar, https://openusd.org/release/spec_usdz.html): one mesh.

It is what phones of Apple show in a room, and what Blender, Houdini and Omniverse read. Written by usd-core (the extra
`usd`). Coordinates in memory are the project's (z up where the dataset is); files are y-up as phones demand, and hold
(x, z, -y), one unit to the meter. Vertices stay whole along the seams of a texture, because coordinates in the picture
belong to the corners of faces. Coordinates far from the origin are counted from one nearby, in double precision.
"""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from splatkit.errors import DatasetError
from splatkit.geometry.local_origin import local_origin
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.gltf import srgb_to_linear, y_up
from splatkit.io.images import encode_image
from splatkit.io.mesh import Mesh, stored_sigmas

_ROOT, _MESH, _MATERIAL = "/scan", "/scan/mesh", "/scan/material"
_PLACES = "st"  # what programs look for by default


def require_usd(path: Path) -> None:
    """DatasetError unless what writes a .usdz is installed."""
    if importlib.util.find_spec("pxr") is None:
        raise DatasetError(f"{path}: USD is written by usd-core; install it by pip install 'splatkit[usd]'")


def write_usdz(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """Write a .usdz with one mesh and its texture.

    Raises:
        DatasetError: usd-core is not installed, or cannot write.
    """
    require_usd(path)
    from pxr import Sdf, Tf, UsdUtils

    with atomic_file(path) as temporary, tempfile.TemporaryDirectory(dir=path.parent, prefix=".usd-") as folder:
        layer, package = Path(folder, "mesh.usdc"), Path(folder, "mesh.usdz")
        try:
            _write_layer(layer, mesh, comments)
            if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(package)):
                raise DatasetError(f"{path}: usd-core could not pack it; is the disk full?")
        except Tf.ErrorException as error:
            raise DatasetError(
                f"{path}: usd-core could not write it ({str(error).strip().splitlines()[-1]})"
            ) from error
        shutil.copyfile(package, temporary)


def _write_layer(layer: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    from pxr import Gf, Kind, Sdf, Usd, UsdGeom, Vt

    stage = Usd.Stage.CreateNew(str(layer))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetMetadata("comment", "\n".join(comments))
    root = UsdGeom.Xform.Define(stage, _ROOT)
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    stage.SetDefaultPrim(root.GetPrim())
    shape = UsdGeom.Mesh.Define(stage, _MESH)
    origin = local_origin(mesh.vertices)
    if origin.any():
        shape.AddTranslateOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(*y_up(origin[None])[0].tolist()))
    points = y_up(mesh.vertices - origin).astype(np.float32)
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    shape.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(0), points.max(0)])))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.reshape(-1).astype(np.int32)))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)  # else programs round it off
    shape.CreateDoubleSidedAttr(True)
    if mesh.vertex_normals is not None:
        shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(y_up(mesh.vertex_normals).astype(np.float32)))
        shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    primvars = UsdGeom.PrimvarsAPI(shape)
    if mesh.vertex_sigmas is not None:
        sigmas = primvars.CreatePrimvar("sigma", Sdf.ValueTypeNames.FloatArray, UsdGeom.Tokens.vertex)
        sigmas.Set(Vt.FloatArray.FromNumpy(stored_sigmas(mesh.vertex_sigmas)))
    if mesh.texture is not None:
        places = primvars.CreatePrimvar(_PLACES, Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
        places.Set(Vt.Vec2fArray.FromNumpy(np.asarray(mesh.texture.uvs, np.float32)))
        places.SetIndices(Vt.IntArray.FromNumpy(mesh.texture.faces.reshape(-1).astype(np.int32)))
        picture = layer.with_name(f"texture{mesh.texture.suffix}")
        picture.write_bytes(encode_image(mesh.texture.image, mesh.texture.suffix))
        _bind_material(stage, shape, picture.name)
    elif mesh.vertex_colors is not None:
        colors = primvars.CreatePrimvar("displayColor", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.vertex)
        colors.Set(Vt.Vec3fArray.FromNumpy(srgb_to_linear(mesh.vertex_colors)))
        _bind_material(stage, shape, None)
    stage.GetRootLayer().Save()


def _bind_material(stage: Any, shape: Any, picture: str | None) -> None:
    """A matt surface in the colors of a picture in the package, or without one in those of the vertices."""
    from pxr import Sdf, UsdShade

    def shader(name: str, kind: str) -> Any:
        made = UsdShade.Shader.Define(stage, f"{_MATERIAL}/{name}")
        made.CreateIdAttr(kind)
        return made

    types = Sdf.ValueTypeNames
    material, surface = UsdShade.Material.Define(stage, _MATERIAL), shader("surface", "UsdPreviewSurface")
    surface.CreateInput("roughness", types.Float).Set(1.0)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    color = surface.CreateInput("diffuseColor", types.Color3f)
    if picture is None:
        reader = shader("colors", "UsdPrimvarReader_float3")
        reader.CreateInput("varname", types.String).Set("displayColor")
        color.ConnectToSource(reader.CreateOutput("result", types.Float3))
    else:
        reader = shader("places", "UsdPrimvarReader_float2")
        reader.CreateInput("varname", types.String).Set(_PLACES)
        texture = shader("texture", "UsdUVTexture")
        texture.CreateInput("file", types.Asset).Set(
            Sdf.AssetPath(f"./{picture}")
        )  # beside the layer, not on a search path
        texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
        for wrap in ("wrapS", "wrapT"):
            texture.CreateInput(wrap, types.Token).Set("clamp")
        texture.CreateInput("st", types.Float2).ConnectToSource(reader.CreateOutput("result", types.Float2))
        color.ConnectToSource(texture.CreateOutput("rgb", types.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
