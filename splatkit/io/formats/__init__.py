"""One format of files each; `io.point_clouds`, `io.meshes` and `io.splats` choose among them by the name of a file."""
