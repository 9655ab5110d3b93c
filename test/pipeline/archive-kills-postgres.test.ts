import { archiveKills } from '../conformance/archive-kills.ts'

archiveKills('postgres')
