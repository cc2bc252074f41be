"""What the add-ons of Blender and Maya call, in process or through a helper process: a sound or a finished line to weights on a face.

The add-ons hold no inference, no curve arithmetic and no format code: they ask here, and set keys.
"""
