/** The settings of the whole mesh as other rooms know them; described once, as the table in #resources/mesh. */
export { defaultMeshConfig } from '#resources/mesh/decode-mesh-config.ts';
export type { MeshConfig } from '#resources/mesh/mesh-config.ts';
