"""One format or notation each; `io.point_clouds`, `io.meshes` and `io.splats` choose among files by their names."""
