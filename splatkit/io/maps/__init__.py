"""What is known of each pixel of a photograph, in files of its size: depths, normals, and where nothing is."""
