-- The files stay: of copies nobody refers to any more, an editor may remove them.
DROP TABLE image_variants;
DROP TABLE images;
